"""Questions of an agent that a person decides, and the decisions.

An executor translates its agent's request into a `Question`, and the `Decision` into the agent's
answer. It does not know who decides, nor how long that takes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

NOT_ASKED = "the permission mode does not allow it, and no person is asked"
"""Error of a call that would need a permission in a run without `Execution.ask`."""


class QuestionKind(StrEnum):
    """Kind of what the agent asks for."""

    TOOL = "tool"
    EDIT = "edit"
    PLAN = "plan"
    MCP = "mcp"
    QUESTION = "question"


class ChoiceKind(StrEnum):
    """Meaning of a choice, whatever the agent calls it."""

    ALLOW = "allow"
    """Once, for this call only."""
    ALLOW_FOR_RUN = "allow_for_run"
    """Also the same call with the same input, until the end of the run. Made by us."""
    ALLOW_ALWAYS = "allow_always"
    """A rule that the agent keeps, in a scope that its label names."""
    DENY = "deny"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One choice of a request for permission."""

    choice_id: str
    kind: ChoiceKind
    label: str


@dataclass(frozen=True, kw_only=True)
class Option:
    """One answer that the agent proposes."""

    label: str
    description: str | None = None


@dataclass(frozen=True, kw_only=True)
class Item:
    """One of the questions that the agent asks together."""

    item_id: str
    text: str
    header: str | None = None
    options: tuple[Option, ...] = ()
    is_multiple: bool = False
    """True if several options can be chosen."""
    is_free: bool = True
    """True if any text is an answer."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request for permission, with `choices`, or questions to the person, with `items`.

    The choices are those of the agent; at least one denies. `tool_input` is the whole input of the
    call, also if the agent's request has only a part of it.
    """

    kind: QuestionKind
    title: str | None = None
    why: str | None = None
    tool_name: str | None = None
    tool_use_id: str | None = None
    tool_input: Mapping[str, Any] = field(default_factory=dict)
    diff: str | None = None
    parent_tool_use_id: str | None = None
    choices: tuple[Choice, ...] = ()
    items: tuple[Item, ...] = ()


class Verdict(StrEnum):
    """Outcome of a question."""

    ALLOW = "allow"
    DENY = "deny"
    ANSWERED = "answered"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    """The run ends, or the agent no longer asks."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The decision on a question."""

    verdict: Verdict
    choice: Choice | None = None
    """The choice of the agent that was taken; None unless the verdict is `allow` or `deny`."""
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By item: the labels of the chosen options, or a text. Only if the verdict is `answered`."""
    text: str | None = None
    """What to tell the agent about it, also if no person answered in time."""


Ask = Callable[[Question], Awaitable[Decision]]
"""Returns the decision on a question, once there is one. Several can be open at the same time.

A cancelled wait withdraws its question.
"""


def message_about(question: Question, decision: Decision) -> str | None:
    """Return the message that explains a refusal to an agent whose refusals have no text."""
    match decision.verdict:
        case Verdict.DENY:
            return decision.text
        case Verdict.TIMED_OUT if decision.text and question.title:
            return f"{question.title}: {decision.text}"
        case Verdict.TIMED_OUT:
            return decision.text
    return None

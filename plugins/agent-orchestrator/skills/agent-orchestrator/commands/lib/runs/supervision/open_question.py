"""An open question of an agent: its events, and the meaning of a person's answer.

A person gives ids that are made here. An id of the agent may be long, repeated, or be masked in the
event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from ...events.event import Event
from ...events.prepare import create_event
from ...executors.questions import (
    Choice,
    ChoiceKind,
    Decision,
    Item,
    Question,
    QuestionKind,
    Verdict,
)

_FOR_RUN = Choice(
    choice_id="", kind=ChoiceKind.ALLOW_FOR_RUN, label="Allow this exact call until the run ends"
)
MAX_PARTS = 100
"""Limit of the choices, items, and options of an item; the manager refuses a question with more."""
_REPEATABLE = (QuestionKind.TOOL, QuestionKind.EDIT, QuestionKind.MCP)


class OpenQuestion:
    """A question with an id of our own, until its decision is made."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.question_id = str(uuid4())
        """Never the id of the agent's request: an agent uses that again for another request."""
        self.decided: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._choices = _numbered(_offered(question))
        items = question.items[:MAX_PARTS]
        self._items = {str(number): item for number, item in enumerate(items, start=1)}

    def asked(self, *, directory: str, expires_at: str | None) -> Event:
        """Return the event that opens the question."""
        question = self.question
        return create_event(
            "permission_request",
            f"{self.question_id}:asked",
            question_id=self.question_id,
            kind=question.kind.value,
            title=question.title,
            why=question.why,
            tool_name=question.tool_name,
            tool_use_id=question.tool_use_id,
            tool_input=dict(question.tool_input) or None,
            diff=question.diff,
            cwd=directory,
            parent_tool_use_id=question.parent_tool_use_id,
            choices=[
                {"id": number, "kind": choice.kind.value, "label": choice.label}
                for number, choice in self._choices.items()
            ]
            or None,
            items=[_item(number, item) for number, item in self._items.items()] or None,
            expires_at=expires_at,
        )

    def closed(self, decision: Decision, by: str) -> Event:
        """Return the event that closes the question."""
        numbers = {item.item_id: number for number, item in self._items.items()}
        answers = {numbers[key]: list(words) for key, words in decision.answers.items()}
        chosen = (number for number, each in self._choices.items() if each == decision.choice)
        return create_event(
            "permission_decided",
            f"{self.question_id}:decided",
            question_id=self.question_id,
            tool_name=self.question.tool_name,
            tool_use_id=self.question.tool_use_id,
            parent_tool_use_id=self.question.parent_tool_use_id,
            decision=decision.verdict.value,
            by=by,
            choice=next(chosen, None),
            answers=answers or None,
            text=decision.text,
        )

    def chosen(self, payload: Mapping[str, Any]) -> Decision:
        """Return the decision of a person.

        Raises:
            ValueError: the question has no such choice or item.
        """
        text = payload.get("text")
        text = text if isinstance(text, str) and text else None
        if self._items:
            return Decision(verdict=Verdict.ANSWERED, answers=self._answers(payload), text=text)
        choice = self._choices.get(str(payload.get("choice")))
        if choice is None:
            raise ValueError(f"the question has only the choices {', '.join(self._choices)}")
        is_denied = choice.kind is ChoiceKind.DENY
        verdict = Verdict.DENY if is_denied else Verdict.ALLOW
        return Decision(verdict=verdict, choice=choice, text=text)

    def _answers(self, payload: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        given = payload.get("answers")
        answers = {
            self._items[number].item_id: tuple(str(word) for word in words)
            for number, words in (given.items() if isinstance(given, dict) else ())
            if number in self._items and isinstance(words, list) and words
        }
        if not answers:
            raise ValueError(f"the question has only the items {', '.join(self._items)}")
        return answers

    def for_agent(self, decision: Decision) -> Decision:
        """Return the decision with a choice of the agent: a rule of the run is ours."""
        if decision.choice is _FOR_RUN:
            return replace(decision, choice=choice_of(self.question, ChoiceKind.ALLOW))
        return decision


def choice_of(question: Question, kind: ChoiceKind) -> Choice | None:
    """Return the first choice of this kind."""
    return next((choice for choice in question.choices if choice.kind is kind), None)


def is_repeatable(question: Question) -> bool:
    """Return whether a rule can allow the same call again: its whole input must be known."""
    return (
        question.kind in _REPEATABLE
        and bool(question.tool_name and question.tool_input)
        and choice_of(question, ChoiceKind.ALLOW) is not None
    )


def _offered(question: Question) -> list[Choice]:
    offered = [*question.choices]
    kinds = [choice.kind for choice in offered]
    if is_repeatable(question) and ChoiceKind.ALLOW_FOR_RUN not in kinds:
        offered.insert(kinds.index(ChoiceKind.ALLOW) + 1, _FOR_RUN)
    return offered


def _numbered(choices: Iterable[Choice]) -> dict[str, Choice]:
    """Return the choices by their kinds: `deny`, and `deny_2` for a second choice that denies."""
    numbered: dict[str, Choice] = {}
    times: dict[ChoiceKind, int] = {}
    for choice in choices:
        if choice.kind is not ChoiceKind.DENY and len(numbered) >= MAX_PARTS - 1:
            continue  # the last place is for a denial
        number = times[choice.kind] = times.get(choice.kind, 0) + 1
        kind = choice.kind.value
        numbered[kind if number == 1 else f"{kind}_{number}"] = choice
    return numbered


def _item(number: str, item: Item) -> dict[str, Any]:
    labels = {option.label: option.description for option in reversed(item.options)}
    options = [
        {"label": label} | ({} if description is None else {"description": description})
        for label, description in reversed(labels.items())
    ][:MAX_PARTS]
    return {
        "id": number,
        "text": item.text,
        **({} if item.header is None else {"header": item.header}),
        "options": options,
        "multiple": item.is_multiple,
        "free": item.is_free,
    }

"""Translates what an agent asks into questions, and decisions into its answers.

An option is chosen by its kind, never by its place. An option that the agent remembers is chosen
only by a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..executors.forms import content_of, items_of
from ..executors.questions import Choice, ChoiceKind, Decision, Question, QuestionKind, Verdict
from .presets.preset import Grant
from .tool_calls import ToolCall

Json = dict[str, Any]

PERMISSION = "session/request_permission"
FORM = "elicitation/create"
CAPABILITIES: Json = {"elicitation": {"form": {}}}
"""Capabilities of a client whose person can be asked."""
CANCELLED: Json = {"outcome": {"outcome": "cancelled"}}
"""Answer to a request of a turn that is cancelled. It is never a refusal."""
_KINDS = {
    "allow_once": ChoiceKind.ALLOW,
    "allow_always": ChoiceKind.ALLOW_ALWAYS,
    "reject_once": ChoiceKind.DENY,
}
_STOP = Choice(choice_id="stop-turn", kind=ChoiceKind.DENY, label="Deny, and end the turn")
"""Offered if the agent has no option to refuse one call."""
_ACCEPT = Choice(choice_id="accept", kind=ChoiceKind.ALLOW, label="Accept")
_DECLINE = Choice(choice_id="decline", kind=ChoiceKind.DENY, label="Decline")
_PATH_KEYS = ("path", "file_path", "filePath", "filepath", "abs_path", "absolute_path")
_QUESTION_KINDS = {"edit": QuestionKind.EDIT, "switch_mode": QuestionKind.PLAN}


class Asked(NamedTuple):
    """A request of an agent: what it asks, and the translation of the decision."""

    question: Question
    answer: Callable[[Decision], Json | None]
    """Returns None if the turn must be cancelled to refuse the call."""
    call: ToolCall | None = None
    """The call that the decision allows or denies."""


def form_asked(params: Json, call: ToolCall | None) -> Asked:
    """Return what a form asks. A form without fields is to be accepted or declined."""
    schema = params.get("requestedSchema")
    items = items_of(schema)
    question = Question(
        kind=QuestionKind.QUESTION if items else QuestionKind.MCP,
        title=str(params.get("message") or "") or None,
        tool_name=call.name if call else None,
        tool_use_id=call.tool_use_id if call else None,
        tool_input=call.tool_input if call else {},
        choices=() if items else (_ACCEPT, _DECLINE),
        items=items,
    )

    def answer(decision: Decision) -> Json:
        match decision.verdict:
            case Verdict.ALLOW | Verdict.ANSWERED:
                return {"action": "accept", "content": content_of(schema, decision.answers)}
            case Verdict.CANCELLED:
                return {"action": "cancel"}
        return {"action": "decline"}

    return Asked(question, answer)


def permission_asked(params: Json, call: ToolCall) -> Asked:
    """Return what a request for permission for a call asks."""
    choices = choices_of(params)
    return Asked(question_of(params, call), partial(answer_to, choices), call)


def choices_of(params: Json) -> tuple[Choice, ...]:
    """Return the choices of a request whose meaning is known; at least one denies."""
    offered = params.get("options")
    options = (
        [each for each in offered if isinstance(each, dict)] if isinstance(offered, list) else []
    )
    times = Counter(str(option.get("optionId")) for option in options)
    choices = []
    for option in options:
        choice_id, kind = option.get("optionId"), _KINDS.get(str(option.get("kind")))
        # Two options of one id: no answer would say which of them is meant.
        if kind is not None and isinstance(choice_id, str) and times[choice_id] == 1:
            label = str(option.get("name") or choice_id)
            choices.append(Choice(choice_id=choice_id, kind=kind, label=label))
    if not any(choice.kind is ChoiceKind.DENY for choice in choices):
        choices.append(_STOP)
    return tuple(choices)


def question_of(params: Json, call: ToolCall) -> Question:
    """Return the question of a request about a call."""
    return Question(
        kind=_QUESTION_KINDS.get(call.kind or "", QuestionKind.TOOL),
        title=call.title,
        tool_name=call.name,
        tool_use_id=call.tool_use_id or None,
        tool_input=call.tool_input,
        diff=call.diff,
        choices=choices_of(params),
    )


def granted(choices: Iterable[Choice], call: ToolCall, grant: Grant, project: Path) -> Json | None:
    """Return the answer that allows a call without a person; None if the mode does not."""
    if grant is Grant.NOTHING or (grant is Grant.EDITS and not is_safe_edit(call, project)):
        return None
    once = next((choice for choice in choices if choice.kind is ChoiceKind.ALLOW), None)
    return _selected(once) if once else None


def answer_to(choices: Iterable[Choice], decision: Decision) -> Json | None:
    """Return the answer of a decision; None if the turn must be cancelled to refuse the call."""
    known = {choice.choice_id: choice for choice in choices}
    if decision.verdict is Verdict.CANCELLED:
        return CANCELLED
    if decision.verdict is Verdict.ALLOW:
        taken = known.get(decision.choice.choice_id) if decision.choice else None
        if taken is None or taken.kind is ChoiceKind.DENY:
            taken = next((each for each in known.values() if each.kind is ChoiceKind.ALLOW), None)
        if taken is not None:
            return _selected(taken)
    refusal = next(each for each in known.values() if each.kind is ChoiceKind.DENY)
    return None if refusal is _STOP else _selected(refusal)


def is_safe_edit(call: ToolCall, project: Path) -> bool:
    """Return whether a call only edits files of the project.

    All its paths must be known. A name that begins with a dot may decide which programs run, as
    `.git` and `.envrc` do, so these files are not edited without a question.
    """
    if call.kind != "edit":
        return False
    named = [call.tool_input.get(key) for key in _PATH_KEYS]
    paths = [*call.paths, *(change["path"] for change in call.diffs)]
    paths += [path for path in named if isinstance(path, str)]
    root = project.resolve()
    return bool(paths) and all(_is_plain(root, path) for path in paths)


def _is_plain(root: Path, path: str) -> bool:
    try:
        found = (root / path).resolve()
    except (OSError, ValueError, RuntimeError):
        return False
    if root not in found.parents:
        return False
    return not any(part.startswith(".") for part in found.relative_to(root).parts)


def _selected(choice: Choice) -> Json:
    return {"outcome": {"outcome": "selected", "optionId": choice.choice_id}}

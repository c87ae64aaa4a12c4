"""Questions of an agent that a person decides: their events, and the answers that fit them.

The supervisor of a run appends both events of a question. The question is open from
`permission_request` until `permission_decided` or the end of its run. While the run is lost, the
question is closed; it is open again if the run is, because its supervisor still waits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from agent_session_manager.domain.errors import InvalidAnswerError, InvalidEventError

ASKED = "permission_request"
DECIDED = "permission_decided"
ASKED_SUFFIX = ":asked"
"""End of the `event_id` of the event that asks a question. The question's id is before it."""
DECIDED_SUFFIX = ":decided"
MAX_PARTS = 100
"""Maximum of the choices, questions and options of one request, and of the texts of an answer."""
_QUESTION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_TEXTS = ("kind", "title", "why", "tool_use_id", "diff", "cwd", "expires_at")


class QuestionStep(NamedTuple):
    """The part of an event that opens or closes a question."""

    question_id: str
    is_asked: bool
    """True if the event asks the question, false if it tells the decision."""
    is_answer: bool = False
    """True if the decision is that of a person, who has answered."""


def question_step(event_type: str, value: Mapping[str, Any]) -> QuestionStep | None:
    """Return the step of a question that an event reports, or None for any other event.

    Raises:
        InvalidEventError: the event does not have the shape of its type.
    """
    if event_type not in (ASKED, DECIDED):
        return None
    question_id = value.get("question_id")
    if not isinstance(question_id, str) or _QUESTION_ID.fullmatch(question_id) is None:
        raise InvalidEventError("question_id must be 1 to 128 letters, digits and . _ : -")
    suffix = ASKED_SUFFIX if event_type == ASKED else DECIDED_SUFFIX
    if value.get("event_id") != question_id + suffix:
        raise InvalidEventError(f"event_id of a {event_type} must be question_id and {suffix!r}")
    if event_type == ASKED:
        _check_asked(value)
    elif not isinstance(value.get("decision"), str):
        raise InvalidEventError(f"decision of a {event_type} must be a string")
    is_asked = event_type == ASKED
    return QuestionStep(question_id, is_asked, not is_asked and value.get("by") == "person")


def asked_event_id(question_id: str) -> str:
    return question_id + ASKED_SUFFIX


def decided_event_id(question_id: str) -> str:
    return question_id + DECIDED_SUFFIX


def is_id_of_a_step(event_id: str | None) -> bool:
    """Return whether an event id has the form that the events of questions have."""
    return event_id is not None and event_id.endswith((ASKED_SUFFIX, DECIDED_SUFFIX))


def _check_asked(value: Mapping[str, Any]) -> None:
    for name in _TEXTS:
        if not isinstance(value.get(name, ""), str):
            raise InvalidEventError(f"{name} of a {ASKED} must be a string or absent")
    choices = _objects(value, "choices", ("id", "kind", "label"))
    items = _objects(value, "items", ("id", "text"))
    for item in items:
        _objects(item, "options", ("label",))
    if not choices and not items:
        raise InvalidEventError(f"a {ASKED} must have choices or items")


def _objects(
    value: Mapping[str, Any], name: str, texts: tuple[str, ...]
) -> list[Mapping[str, Any]]:
    """Return a list of objects that have these texts; the first text differs in each.

    Raises:
        InvalidEventError: the value is not such a list.
    """
    found = value.get(name, [])
    if not isinstance(found, list) or len(found) > MAX_PARTS:
        raise InvalidEventError(f"{name} must be a list of up to {MAX_PARTS} objects")
    for each in found:
        if not isinstance(each, dict) or not all(isinstance(each.get(text), str) for text in texts):
            raise InvalidEventError(f"each of {name} must be an object with {', '.join(texts)}")
    if len({each[texts[0]] for each in found}) < len(found):
        raise InvalidEventError(f"each of {name} must have another {texts[0]}")
    return found


def check_answer(question: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Raise unless an answer fits a question, given as the fields of its event.

    Raises:
        InvalidAnswerError: the answer is not one of the choices, or not an answer to each item.
    """
    choice, answers = answer.get("choice"), answer.get("answers")
    if choice is not None and answers is not None:
        raise InvalidAnswerError("give a choice or answers, not both")
    if unknown := answer.keys() - {"choice", "answers", "text"}:
        raise InvalidAnswerError(f"unknown field {sorted(unknown)[0][:100]!r}")
    if not isinstance(answer.get("text") or "", str):
        raise InvalidAnswerError("text must be a string")
    if answers is not None:
        _check_answers(question, answers)
        return
    valid = [each["id"] for each in question.get("choices", [])]
    if choice not in valid:
        shown = ", ".join(map(repr, valid)) or "none: give answers"
        raise InvalidAnswerError(f"choice must be one of these: {shown}")


def _check_answers(question: Mapping[str, Any], answers: Any) -> None:
    items = {each["id"]: each for each in question.get("items", [])}
    if not items:
        raise InvalidAnswerError("this asks for a permission: give a choice, not answers")
    if not isinstance(answers, dict) or answers.keys() != items.keys():
        raise InvalidAnswerError(
            f"answers must be an object with exactly these items: {', '.join(map(repr, items))}"
        )
    for item_id, texts in answers.items():
        item = items[item_id]
        most = MAX_PARTS if item.get("multiple") is True else 1
        if (
            not isinstance(texts, list)
            or not 0 < len(texts) <= most
            or not all(isinstance(text, str) and text for text in texts)
        ):
            how_many = "one text" if most == 1 else f"1 to {most} texts"
            raise InvalidAnswerError(f"the answer to {item_id!r} must be a list of {how_many}")
        labels = [option["label"] for option in item.get("options", [])]
        if item.get("free") is False and not set(texts) <= set(labels):
            raise InvalidAnswerError(
                f"the answer to {item_id!r} must be of these: {', '.join(map(repr, labels))}"
            )

"""Open questions of sessions: finding the one that a person means, and answering it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..client.errors import LOST_CODES, QUESTION_CLOSED
from ..client.manager import Json, ManagerClient
from ..client.read.events import newest_events
from ..session_client import SessionClientError, SessionNotFoundError
from .errors import SessionError, SessionUsageError
from .follow import wait_for_request
from .question_words import SHORT, decision_words, payload_words, title_of

ANSWER_SECONDS = 20.0
"""Time for the run's supervisor to take an answer."""


def find_question(manager: ManagerClient, session: Json, question_id: str | None) -> Json:
    """Return the open question of a session with this id, or the only one.

    The beginning of an id is enough.

    Raises:
        SessionError: no question is open, or the question is decided.
        SessionUsageError: several questions are meant.
        SessionNotFoundError: the session has no such question.
    """
    name = session["session_name"]
    found = list(manager.list_questions(session["session_id"]))
    if question_id is None:
        if not found:
            raise SessionError(
                f"session {name!r} has no open question; `ao-list-sessions --state waiting` lists "
                "the sessions that wait for you"
            )
        meant = found
    else:
        meant = [each for each in found if each["question_id"].startswith(question_id)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise SessionUsageError(f"say which question of session {name!r}: {_listed(meant)}")
    for event in newest_events(manager, session["session_id"], "permission_decided"):
        if str(event.get("question_id")).startswith(str(question_id)):
            raise SessionError(_decided_before(event))
    raise SessionNotFoundError(
        f"session {name!r} has no question {question_id}; ao-status lists its open questions"
    )


def give_answer(manager: ManagerClient, session: Json, question: Json, payload: Json) -> Json:
    """Answer a question, and return the request once the run's supervisor has taken it.

    If it is still `pending`, the supervisor has not taken it yet.

    Raises:
        SessionError: another answer or the time limit was first, or the run has ended.
    """
    session_id, question_id = session["session_id"], question["question_id"]
    try:
        request = manager.create_answer(session_id, question["run"], question_id, payload)
    except SessionClientError as exc:
        if exc.code != QUESTION_CLOSED and exc.code not in LOST_CODES:
            raise
        raise SessionError(_was_decided(manager, session_id, question_id)) from exc
    if request["payload"] != payload:
        raise SessionError(
            f"question {question_id[:SHORT]} has an answer already, and the first one counts: "
            f"{payload_words(request['payload'], question['event'])}"
        )
    settled = wait_for_request(manager, session, request, timeout_seconds=ANSWER_SECONDS)
    if settled["state"] in ("refused", "expired"):
        why = settled["detail"] or "the run has ended"
        raise SessionError(f"question {question_id[:SHORT]} did not take the answer: {why}")
    return settled


def _was_decided(manager: ManagerClient, session_id: str, question_id: str) -> str:
    for event in newest_events(manager, session_id, "permission_decided"):
        if event.get("question_id") == question_id:
            return _decided_before(event)
    return f"question {question_id[:SHORT]} is closed: its run has ended"


def _decided_before(event: Mapping[str, Any]) -> str:
    short = str(event.get("question_id"))[:SHORT]
    return f"question {short} was decided before: {decision_words(event)}"


def _listed(questions: Sequence[Json]) -> str:
    return ", ".join(
        f"{each['question_id'][:SHORT]} ({title_of(each['event'])})" for each in questions
    )

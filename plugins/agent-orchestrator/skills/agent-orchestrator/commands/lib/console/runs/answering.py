"""Answering an open question with one command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...client.manager import Json
from ...sessions.question_words import payload_words
from ...sessions.questions import find_question, give_answer
from ...sessions.resolve import resolve
from ..command import NOT_FINISHED, CommandError, configure
from ..connect import open_manager
from ..terminal.output import answer, answer_json, one_line


def answer_question(
    session: str,
    question_id: str | None,
    payload: Callable[[Mapping[str, Any]], Json],
    *,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """Find the question, answer it with the payload for its event, and print the result."""
    config = configure(project_dir, must_exist=False)
    with open_manager(config, for_people=True) as manager:
        found = resolve(manager, session, config, reach=False)
        question = find_question(manager, found, question_id)
        given = payload(question["event"])
        settled = give_answer(manager, found, question, given)
    name = found["session_name"]
    if settled["state"] == "pending":
        raise CommandError(
            f"session {name!r} has not taken the answer yet; it is kept", NOT_FINISHED
        )
    if as_json:
        answer_json(settled)
    else:
        answer(one_line(f"answered {name}: {payload_words(given, question['event'])}"))

"""An open question as text: the whole of the request, and the commands that answer it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import click

from ...client.manager import Json, ManagerClient
from ...session_client import SessionClientError
from ...sessions.question_words import SHORT, title_of
from ..terminal.output import exact_line, local_time, note

Event = Mapping[str, Any]


def show_question(event: Event, session: str) -> None:
    """Print a question of a session and the commands that answer it, to stderr."""
    note(f"question {str(event.get('question_id'))[:SHORT]}")
    for line in (*question_lines(event), *how_to_answer(event, session)):
        click.echo(f"  {exact_line(line)}", err=True)


class QuestionsShown:
    """The questions of sessions that a person at this terminal has seen."""

    def __init__(self, manager: ManagerClient, names: Mapping[str, str]) -> None:
        """Show sessions by the names that the person gave, and others by their ids."""
        self._manager = manager
        self._names = names
        self._shown: set[str] = set()

    def see(self, session: Json) -> None:
        """Show the open questions of a session that were not shown before."""
        if not session.get("waiting_questions"):
            return
        session_id = session["session_id"]
        with suppress(SessionClientError):  # they are shown with its next change
            for question in self._manager.list_questions(session_id):
                if question["question_id"] not in self._shown:
                    self._shown.add(question["question_id"])
                    name = self._names.get(session_id, session_id)
                    note(f"{session['session_name']} waits for you")
                    show_question(question["event"], name)


def question_lines(event: Event) -> Iterator[str]:
    """Yield the lines of a question: what the agent wants to do, in full, and the choices."""
    yield title_of(event)
    if event.get("why"):
        yield f"why: {event['why']}"
    if event.get("cwd"):
        yield f"in: {event['cwd']}"
    if not event.get("items"):
        yield from _input_lines(event)
    for item in _dicts(event.get("items")):
        yield f"{item.get('id')}. {item.get('text')}" + (
            " (several answers are possible)" if item.get("multiple") else ""
        )
        for option in _dicts(item.get("options")):
            about = option.get("description")
            yield f"   {option.get('label')}" + (f": {about}" if about else "")
    if event.get("expires_at"):
        yield f"until: {_moment(event['expires_at'])}"


def _input_lines(event: Event) -> Iterator[str]:
    if event.get("diff"):
        yield from str(event["diff"]).splitlines()
        return
    given = event.get("tool_input")
    for name, value in given.items() if isinstance(given, dict) else ():
        text = value if isinstance(value, str) else json.dumps(value)
        first, *rest = text.splitlines() or [""]
        yield f"{name}: {first}"
        yield from (f"  {line}" for line in rest)


def how_to_answer(event: Event, session: str) -> Iterator[str]:
    """Yield the commands that answer a question of a session."""
    which = f"{shlex.quote(session)} {str(event.get('question_id'))[:SHORT]}"
    items = _dicts(event.get("items"))
    if items:
        item = f"{items[0].get('id')}=" if len(items) > 1 else ""
        options = _dicts(items[0].get("options"))
        label = str(options[0].get("label")) if options else "LABEL"
        yield f"ao-answer {which} --choose {shlex.quote(item + label)}"
        if items[0].get("free"):
            yield f"ao-answer {which} -p {item}TEXT"
        return
    for choice in _dicts(event.get("choices")):
        option = OPTIONS.get(str(choice.get("kind")), "")
        label = "" if choice.get("kind") in ("allow", "deny") else f"  # {choice.get('label')}"
        if choice.get("kind") == "allow_always" and choice.get("id") != "allow_always":
            option += f" --choice {choice.get('id')}"
        yield f"ao-permit {which} {option}{label}"


OPTIONS = {
    "allow": "--allow",
    "allow_for_run": "--allow --for-run",
    "allow_always": "--allow --always",
    "deny": "--deny",
}
"""Options of `ao-permit`, by the kind of the choice that they take."""


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _moment(value: Any) -> str:
    try:
        return local_time(value)
    except (TypeError, ValueError, OverflowError):
        return str(value)

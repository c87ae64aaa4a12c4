"""Asking the person at this terminal while the command follows a run.

A thread shows one question at a time and reads the answer, while the command continues to read
events. An answer from elsewhere ends the waiting here.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ...client.manager import Json, ManagerClient
from ...session_client import SessionClientError
from ...sessions.errors import SessionError
from ...sessions.question_words import SHORT, decision_words, read_answer, ways_to_answer
from ...sessions.questions import give_answer
from ..events.progress import Display
from ..events.question_text import how_to_answer, question_lines
from ..terminal.output import exact_line, one_line

_HELP = {
    "allow": "y: allow once",
    "allow_for_run": "r: allow this exact call until the run ends",
    "deny": "n, or n and a reason: deny",
}
_KEYS = {"y": "allow", "r": "allow_for_run", "n": "deny"}
_ELSEWHERE = "Ctrl-D: answer elsewhere"


class _ElsewhereError(Exception):
    """The question needs no answer from here."""


class TerminalQuestions:
    """Questions of one run that are asked at this terminal."""

    def __init__(self, manager: ManagerClient, session: Json, display: Display) -> None:
        self._manager = manager
        self._session = session
        self._display = display
        self._program = click.get_current_context().info_name
        self._waiting: deque[Json] = deque()
        self._decided: dict[str, str] = {}
        self._is_over = False
        self._has_news, self._news = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="questions", daemon=True)
        self._thread.start()

    def see(self, event: Json) -> None:
        """Note an event of the session."""
        question_id = event.get("question_id")
        if event.get("run") != self._session["run"] or not isinstance(question_id, str):
            return
        if event["event_type"] == "permission_request":
            self._waiting.append(event)
        elif event["event_type"] == "permission_decided":
            self._decided[question_id] = decision_words(event)
        os.write(self._news, b"\n")

    def close(self) -> None:
        """End the waiting for an answer."""
        self._is_over = True
        os.write(self._news, b"\n")
        self._thread.join()
        os.close(self._has_news)
        os.close(self._news)

    def _serve(self) -> None:
        while not self._is_over:
            if not self._waiting:
                select.select([self._has_news], [], [])
                os.read(self._has_news, 1)
                continue
            event = self._waiting.popleft()
            if event["question_id"] not in self._decided:
                self._display.pause()
                try:
                    self._ask(event)
                finally:
                    self._display.resume()

    def _ask(self, event: Json) -> None:
        self._say(f"question {event['question_id'][:SHORT]}")
        for line in question_lines(event):
            click.echo(f"  {exact_line(line)}", err=True)
        if os.tcgetpgrp(0) != os.getpgrp():  # reading would stop a command in the background
            self._tell_commands(event)
            return
        termios.tcflush(0, termios.TCIFLUSH)  # typed before the question was there
        try:
            payload = self._answers(event) if event.get("items") else self._choice(event)
        except _ElsewhereError:
            if event["question_id"] in self._decided:
                self._say(f"decided elsewhere: {self._decided[event['question_id']]}")
            elif not self._is_over:
                self._tell_commands(event)
            return
        question = {"question_id": event["question_id"], "run": event["run"], "event": event}
        try:
            give_answer(self._manager, self._session, question, payload)
        except (SessionError, SessionClientError) as exc:
            self._say(str(exc))

    def _choice(self, event: Json) -> Json:
        """Read a choice. An empty line chooses nothing, so a stray Enter allows nothing."""
        ids = {choice["kind"]: choice["id"] for choice in reversed(event["choices"])}
        help_text = "; ".join([*(text for kind, text in _HELP.items() if kind in ids), _ELSEWHERE])
        while True:
            key, _, reason = self._read(event, help_text).partition(" ")
            kind = _KEYS.get(key.lower())
            if kind in ids and (kind == "deny" or not reason):
                return {"choice": ids[kind], **({"text": reason} if reason else {})}

    def _answers(self, event: Json) -> Json:
        return {"answers": {item["id"]: self._answer(event, item) for item in event["items"]}}

    def _answer(self, event: Json, item: Json) -> list[str]:
        for number, option in enumerate(item.get("options", []), start=1):
            click.echo(f"  {item['id']}.{number} {exact_line(str(option['label']))}", err=True)
        help_text = f"{one_line(item['text'])} ({ways_to_answer(item)}; {_ELSEWHERE})"
        while True:
            answer = read_answer(item, self._read(event, help_text))
            if answer is not None:
                return answer

    def _read(self, event: Json, prompt: str) -> str:
        """Read one line.

        Raises:
            _ElsewhereError: the person gives none here, or none is needed any longer.
        """
        click.echo(f"  {prompt}: ", err=True, nl=False)
        while event["question_id"] not in self._decided and not self._is_over:
            ready, _, _ = select.select([0, self._has_news], [], [])
            if self._has_news in ready:
                os.read(self._has_news, 1)
            elif line := os.read(0, 4096):
                return line.decode("utf-8", "replace").strip()
            else:
                break
        click.echo(err=True)
        raise _ElsewhereError

    def _tell_commands(self, event: Json) -> None:
        for line in how_to_answer(event, self._session["session_name"]):
            click.echo(f"  {exact_line(line)}", err=True)

    def _say(self, text: str) -> None:
        click.echo(one_line(f"{self._program}: {text}"), err=True)


@contextmanager
def asking_here(
    manager: ManagerClient, session: Json, display: Display
) -> Iterator[TerminalQuestions | None]:
    """Ask the person at this terminal during the block; yield None without a terminal."""
    is_terminal = sys.stdin.isatty() and sys.stderr.isatty()
    if not is_terminal or manager.is_of_a_run:
        yield None
        return
    questions = TerminalQuestions(manager, session, display)
    try:
        yield questions
    finally:
        questions.close()

"""Reads of the facts that the rows of the board need and the feed does not tell.

Questions, newest calls, last answers and the cost of today are read in threads, when a change tells
that they may be others, and each at most once in a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from ..client.connection.connect import client_of
from ..client.errors import may_pass
from ..client.manager import Json, ManagerClient
from ..client.read.events import newest_events
from ..client.read.usage import usage_query
from ..console.events.progress import gist
from ..console.terminal.amounts import money
from ..machine.time_zone import today
from ..session_client import SessionClientError
from .state.board import Board
from .threads import call_in_thread

PAUSE_SECONDS = 3.0
_WATCHED_CALLS = 50
"""Sessions whose newest calls are read."""

Thing = tuple[Any, ...]
Read = Callable[[ManagerClient], Callable[[Board], None]]
"""Reads a thing from the manager, and returns a function that puts it on the board."""


class Lookups:
    """The reads of a board. `draw` is called after each of them."""

    def __init__(self, url: str, board: Board, draw: Callable[[], None]) -> None:
        self._url = url
        self._board = board
        self._draw = draw
        self._known: dict[Thing, object] = {}
        """The state of each thing for which it was read last."""
        self._tasks: dict[Thing, asyncio.Task[None]] = {}

    def look(self) -> None:
        """Read what the rows need now."""
        for thing, (state, read) in self._needed().items():
            if self._known.get(thing) != state and thing not in self._tasks:
                self._known[thing] = state
                self._tasks[thing] = asyncio.create_task(self._read(thing, read))

    def _needed(self) -> dict[Thing, tuple[object, Read]]:
        """Return each thing with its state, and how to read it."""
        groups = self._board.groups
        asking = [place.session for place in groups.needs if place.kind == "asks"]
        state = [
            (s["session_id"], s["run"], s.get("waiting_questions"), s["attention"].get("seq"))
            for s in asking
        ]
        needed: dict[Thing, tuple[object, Read]] = {
            ("today",): ((today(), self._board.changes), read_today),
            ("questions",): (state, read_questions),
        }
        calling = [place.session for place in groups.running[:_WATCHED_CALLS]]
        peeked = self._board.chosen.session if self._board.is_peeking and self._board.chosen else {}
        if peeked.get("status") == "running":
            calling.append(peeked)
        for session in calling:
            read: Read = partial(read_newest_call, session_id=session["session_id"])
            needed["call", session["session_id"]] = (session["last_seq"], read)
        if peeked.get("status") == "finished":
            session_id, run = peeked["session_id"], peeked["run"]
            read = partial(read_result, session_id=session_id, run=run)
            needed["result", session_id] = (run, read)
        return needed

    async def _read(self, thing: Thing, read: Read) -> None:
        """Read a thing and put it on the board; after a pause, look whether it has changed."""

        def work() -> Callable[[Board], None]:
            with client_of(self._url) as manager:
                return read(manager)

        try:
            put = await call_in_thread(work)
        except SessionClientError as exc:
            if may_pass(exc):
                self._known.pop(thing)  # it is read again after the pause
        else:
            put(self._board)
            self._draw()
        await asyncio.sleep(PAUSE_SECONDS)
        del self._tasks[thing]
        self.look()


def read_questions(manager: ManagerClient) -> Callable[[Board], None]:
    """Read the open questions of all sessions."""
    questions: dict[str, list[Json]] = {}
    for question in manager.list_questions():
        questions.setdefault(question["session_id"], []).append(question)
    return lambda board: setattr(board, "questions", questions)


def read_newest_call(manager: ManagerClient, *, session_id: str) -> Callable[[Board], None]:
    """Read the newest tool call of a session."""
    calls = newest_events(manager, session_id, "pre_tool", limit=1)
    words = [f"{call.get('tool_name')}: {gist(call.get('tool_input'))}" for call in calls]
    return lambda board: board.calls.update(zip([session_id], words, strict=False))


def read_result(manager: ManagerClient, *, session_id: str, run: int) -> Callable[[Board], None]:
    """Read the last answer of a session."""
    result = manager.get_result(session_id)
    return lambda board: board.results.update({(session_id, run): result})


def read_today(manager: ManagerClient) -> Callable[[Board], None]:
    """Read the cost of today."""
    query = usage_query(bucket="all", group="project", since=today(), limit=1)
    cost = money(manager.report_usage(query)["total"]["usage"])
    return lambda board: setattr(board, "today", cost)

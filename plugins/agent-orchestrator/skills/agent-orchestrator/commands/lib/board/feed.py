"""The feed of the board: its sessions, and each change of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from ..client.connection.connect import client_of
from ..client.connection.find_manager import PROGRAM
from ..client.errors import may_pass
from ..client.follow import MAX_PAUSE_SECONDS, follow_list
from ..client.frames import Frame
from ..client.manager import ManagerClient
from ..console.command import explain
from ..machine.clock import SYSTEM, Backoff
from ..session_client import SessionClientError
from ..sessions.resolve import Session
from .state.board import Board
from .state.groups import DONE, NEEDING

MOST_SESSIONS = 1000
"""Sessions of each kind that the board reads."""

Change = Callable[[], None]
"""Changes the board; only its own thread calls it."""


def follow_manager(url: str, board: Board, tell: Callable[[Change], None]) -> None:
    """Tell each change of the sessions, for ever. During an outage, tell it and wait."""
    backoff = Backoff(MAX_PAUSE_SECONDS)

    def tell_outage(error: SessionClientError) -> None:
        text = outage_words(error)
        tell(lambda: setattr(board, "outage", text))

    while True:
        try:
            with (
                client_of(url) as manager,
                closing(follow_list(manager, on_outage=tell_outage)) as frames,
            ):
                for frame in frames:
                    tell(_change(board, manager, frame))
                    backoff.succeed()
        except SessionClientError as exc:
            tell_outage(exc)
            if not may_pass(exc):
                return
        backoff.fail()
        SYSTEM.sleep(backoff.pause_seconds())


def outage_words(error: SessionClientError) -> str:
    """Return that the manager does not answer, and what to do about it."""
    if not may_pass(error):
        return f"{explain(error)}; the board is no longer live: leave it with q"
    return f"the manager does not answer, trying again; `{PROGRAM} serve` starts it ({error})"


def _change(board: Board, manager: ManagerClient, frame: Frame) -> Change:
    """Return the change of the board that a frame means."""
    if frame.name == "ready":
        sessions, is_cut = read_sessions(manager)
        return lambda: board.load(sessions, is_cut=is_cut)
    if frame.name == "session_deleted":
        session_id = frame.content["session_id"]
        return lambda: board.forget(session_id)
    session = frame.session
    return lambda: board.learn(session)


def read_sessions(manager: ManagerClient) -> tuple[list[Session], bool]:
    """Return the sessions of the board, and whether the manager has more of them."""
    filters = [{"attention": kind} for kind in (*NEEDING, DONE)] + [{"status": "running"}]
    lists = [
        [*manager.find_sessions(limit=MOST_SESSIONS, archived="false", sort="activity", **filter)]
        for filter in filters
    ]
    found = {each["session_id"]: each for listed in lists for each in listed}
    return [*found.values()], any(len(listed) == MOST_SESSIONS for listed in lists)

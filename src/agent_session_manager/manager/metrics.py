"""The metrics of a manager: if it can serve, and how much work it has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.concurrency.wakeups import Wakeups
from agent_session_manager.concurrency.writer import Writer
from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.domain.sessions.attention import AttentionKind
from agent_session_manager.domain.sessions.session import State
from agent_session_manager.feed.feed import Feed
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import SessionFilter

OPEN_STATES = (State.RUNNING, State.WAITING)
NEEDS_A_PERSON = tuple(kind for kind in AttentionKind if kind is not AttentionKind.DONE)


@dataclass(frozen=True, kw_only=True)
class SessionCounts:
    """Numbers of sessions in the database; those that have ended and were seen are not counted."""

    by_state: dict[State, int]
    by_attention: dict[AttentionKind, int]


class Metrics:
    """Reads what operators watch."""

    def __init__(self, writer: Writer, reader: Reader, wakeups: Wakeups, feed: Feed) -> None:
        self._reader = reader
        self._wakeups = wakeups
        self._feed = feed
        self._check: asyncio.Task[None] | None = None
        self.writer = writer
        self.events = 0
        """Number of events that clients have appended through this manager."""

    @property
    def readers(self) -> int:
        """Number of open feed readers."""
        return self._feed.readers

    async def check_ready(self) -> None:
        """Return if the manager can serve. Callers at the same time share one look at the database.

        Raises:
            StoreUnavailableError: it is stopping, its disk has failed, or its database does not
                answer.
        """
        if self._wakeups.is_closed:
            raise StoreUnavailableError("the manager is stopping")
        self.writer.check()
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._reader.read(_look), name="ready")
            self._check.add_done_callback(_retrieve)
        await asyncio.shield(self._check)

    async def count_sessions(self) -> SessionCounts:
        return await self._reader.read(_count_sessions)


def _look(store: Store) -> None:
    store.feeds.head()


def _retrieve(check: asyncio.Task[None]) -> None:
    """Read the error of a check whose callers have all left."""
    if not check.cancelled():
        check.exception()


def _count_sessions(store: Store) -> SessionCounts:
    return SessionCounts(
        by_state={
            state: store.count_sessions(SessionFilter(state=(state,))) for state in OPEN_STATES
        },
        by_attention={
            kind: store.count_sessions(SessionFilter(attention=(kind,))) for kind in NEEDS_A_PERSON
        },
    )

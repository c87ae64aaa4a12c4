"""The feed: every reader gets each later event exactly once, history first and then live.

A reader has a cursor instead of a queue. So a slow reader delays no other reader, and needs memory
only for the events of one read. All followers of a session share one read of the store for each
commit, and the events found.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.concurrency.wakeups import Wakeups
from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import (
    CursorUnknownError,
    OverloadedError,
    SessionNotFoundError,
)
from agent_session_manager.domain.session import Session
from agent_session_manager.feed.frames import (
    Frame,
    Heartbeat,
    ListFrame,
    News,
    SessionChanged,
    SessionDeleted,
    SessionEnded,
    Stopping,
)
from agent_session_manager.feed.tail import Tail
from agent_session_manager.store.feeds import Changes

HEARTBEAT_SECONDS = 15.0
PACE_SECONDS = 0.01
"""Pause between two reads of one reader: events committed during it are sent together."""
LIST_PACE_SECONDS = 1.0
"""A reader of all sessions gets at most one change of a session in this time."""
MAX_READERS = 1200
CHANGES_AT_ONCE = 100


class Feed:
    """Feeds for up to `MAX_READERS` readers, which read the store at each wakeup."""

    def __init__(self, wakeups: Wakeups, reader: Reader) -> None:
        self._wakeups = wakeups
        self._reader = reader
        self._followed: dict[str, _Followed] = {}
        self.readers = 0
        """Number of open readers."""

    async def follow(
        self, session_id: str, begin: Cursor | int, *, forever: bool
    ) -> AsyncGenerator[Frame]:
        """Yield the session and every event past `begin`, until the session ends or `forever`.

        The first frame is the session. All errors below are raised before it; later, only a failed
        read of the store raises.

        Raises:
            SessionNotFoundError: the session does not exist.
            CursorUnknownError: the cursor belongs to an earlier session with this id, or is past
                the last event.
            OverloadedError: there are too many readers.
        """
        with (
            self.counted(),
            self._wakeups.subscribe(session_id) as changed,
            self._tail(session_id) as tail,
        ):
            first = await tail.look(None)
            session, facts = first.session, first.facts
            seq = _seq_to_begin_after(begin, session)
            yield SessionChanged(session=session)
            fresh = False
            while not self._wakeups.is_closed:
                changed.clear()
                news = await _look(tail, seq, session.generation, fresh=fresh)
                if news is None:
                    yield SessionDeleted(session_id=session_id)
                    return
                frames, before = _frames(news, facts), seq
                session, facts = news.session, news.facts
                if news.events:
                    seq = news.events[-1].seq
                del news  # a slow reader must keep no events in memory except those in its frames
                while frames:
                    yield frames.pop(0)
                if seq < session.last_seq:
                    continue
                if session.status == "finished" and not forever:
                    yield SessionEnded(session=session)
                    return
                if seq > before:
                    await asyncio.sleep(PACE_SECONDS)
                fresh = not await _wait_for_change(changed, HEARTBEAT_SECONDS)
                if fresh:
                    yield Heartbeat()
            yield Stopping()

    async def follow_list(self, cursor: Cursor) -> AsyncGenerator[ListFrame]:
        """Yield the changes in the list of all sessions past a cursor, without an end.

        The first frame is sent at once, and may contain no change. A later read can raise
        `CursorUnknownError` too, or fail because of the store.

        Raises:
            CursorUnknownError: the cursor belongs to another database, or is older than the stored
                deletions.
            OverloadedError: there are too many readers.
        """
        with self.counted(), self._wakeups.subscribe(None) as changed:
            known = cursor  # the reader has every session that was created up to here
            found = await self._read_changes(cursor, known)
            yield found
            while not self._wakeups.is_closed:
                if not found.has_more:
                    known = found.cursor
                    await asyncio.sleep(LIST_PACE_SECONDS)
                    if not await _wait_for_change(changed, HEARTBEAT_SECONDS):
                        yield Heartbeat()
                changed.clear()
                found = await self._read_changes(found.cursor, known)
                if found.changes:
                    yield found
            yield Stopping()

    async def _read_changes(self, after: Cursor, known: Cursor) -> Changes:
        return await self._reader.read(
            lambda store: store.feeds.read_changes(after, limit=CHANGES_AT_ONCE, known=known)
        )

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one more reader until the block ends.

        Raises:
            OverloadedError: there are too many readers.
        """
        if self.readers >= MAX_READERS:
            raise OverloadedError
        self.readers += 1
        try:
            yield
        finally:
            self.readers -= 1

    @contextmanager
    def _tail(self, session_id: str) -> Iterator[Tail]:
        """Yield the tail that all followers of a session share; the last follower removes it."""
        followed = self._followed.get(session_id)
        if followed is None:
            subscription = ExitStack()
            changed = subscription.enter_context(self._wakeups.subscribe(session_id))
            tail = Tail(session_id, changed, self._reader)
            followed = _Followed(tail=tail, subscription=subscription)
            self._followed[session_id] = followed
        followed.readers += 1
        try:
            yield followed.tail
        finally:
            followed.readers -= 1
            if not followed.readers:
                followed.subscription.close()
                del self._followed[session_id]


@dataclass(kw_only=True)
class _Followed:
    """A session with at least one follower."""

    tail: Tail
    subscription: ExitStack
    readers: int = 0


async def _look(tail: Tail, seq: int, generation: str, *, fresh: bool) -> News | None:
    """Return the session and its events past `seq`; None if this generation was deleted."""
    try:
        news = await tail.look(seq, fresh=fresh)
    except SessionNotFoundError:
        return None
    return news if news.session.generation == generation else None


def _frames(news: News, facts: Session) -> list[Frame]:
    """Return the frames for a follower that knows `facts`."""
    frames: list[Frame] = [news] if news.events else []
    if news.facts != facts:
        frames.append(SessionChanged(session=news.session))
    return frames


def _seq_to_begin_after(begin: Cursor | int, session: Session) -> int:
    if isinstance(begin, int):
        return begin
    if begin.generation != session.generation or begin.number > session.last_seq:
        head = Cursor(generation=session.generation, number=session.last_seq)
        raise CursorUnknownError(str(head))
    return begin.number


async def _wait_for_change(changed: asyncio.Event, seconds: float) -> bool:
    """Wait for a change; return whether it came in time."""
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return False
    return True

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
from agent_session_manager.concurrency.wakeups import Wakeups, is_set_within
from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import (
    CursorUnknownError,
    OverloadedError,
    SessionNotFoundError,
)
from agent_session_manager.domain.sessions.session import Session
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
from agent_session_manager.feed.tail import HEARTBEAT_SECONDS, Tail
from agent_session_manager.store.feeds import Changes

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
        with self.counted(), self._tail(session_id) as tail:
            first = await tail.look(None)
            session, facts = first.session, first.facts
            seq = _seq_to_begin_after(begin, session)
            yield SessionChanged(session=session)
            while not self._wakeups.is_closed:
                if session.status == "finished" and not forever and tail.is_level(seq, facts):
                    yield SessionEnded(session=session)
                    return
                try:
                    news = await tail.next(seq, facts)
                except SessionNotFoundError:
                    yield SessionDeleted(session_id=session_id)
                    return
                if news is None:
                    if not self._wakeups.is_closed:
                        yield Heartbeat()
                    continue
                frames, facts = _frames(news, facts), news.facts
                session = news.session
                if news.events:
                    seq = news.events[-1].seq
                del news  # a slow reader must keep no events in memory except those in its frames
                while frames:
                    yield frames.pop(0)
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
                    if not await is_set_within(changed, HEARTBEAT_SECONDS):
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
            watching = asyncio.create_task(
                tail.watch(lambda: self._wakeups.is_closed), name=f"watch session {session_id}"
            )
            subscription.callback(watching.cancel)
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


def _frames(news: News, facts: Session) -> list[Frame]:
    """Return the frames for a follower that knows `facts`."""
    frames: list[Frame] = [news] if news.events else []
    if news.facts is not facts and news.facts != facts:
        frames.append(SessionChanged(session=news.session))
    return frames


def _seq_to_begin_after(begin: Cursor | int, session: Session) -> int:
    if isinstance(begin, int):
        return begin
    if begin.generation != session.generation or begin.number > session.last_seq:
        head = Cursor(generation=session.generation, number=session.last_seq)
        raise CursorUnknownError(str(head))
    return begin.number

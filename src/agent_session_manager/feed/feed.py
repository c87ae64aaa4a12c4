"""The feed: every reader gets each later event exactly once, history first and then live.

A reader has a cursor and not a queue, so a slow one costs what it reads at once and holds up
nobody. Who follows the same session shares one look at the store for each commit, and the events
that it found.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.concurrency.wakeups import Bells
from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import (
    CursorUnknownError,
    OverloadedError,
    SessionNotFoundError,
)
from agent_session_manager.domain.session import Session
from agent_session_manager.feed.frames import (
    EventsAdded,
    Frame,
    Heartbeat,
    ListChanged,
    ListFrame,
    SessionChanged,
    SessionDeleted,
    SessionEnded,
    Stopping,
)
from agent_session_manager.feed.tail import CHARS_AT_ONCE, NOTHING, News, Tail
from agent_session_manager.store.feeds import Changes, SessionNews

HEARTBEAT_SECONDS = 15.0
PACE_SECONDS = 0.01
"""Between two looks of one reader while much happens: what came meanwhile travels together."""
LIST_PACE_SECONDS = 1.0
"""Of a reader of all sessions: it hears of one session at most so often."""
MAX_READERS = 1200
CHANGES_AT_ONCE = 100


class Feed:
    """Follows sessions for any number of readers, by looking at the store when a bell rings."""

    def __init__(self, bells: Bells, reader: Reader) -> None:
        self._bells = bells
        self._reader = reader
        self._followed: dict[str, _Followed] = {}
        self.readers = 0
        """How many there are."""

    async def follow(
        self, session_id: str, begin: Cursor | int, *, forever: bool
    ) -> AsyncGenerator[Frame]:
        """Yield how a session stands and every event past `begin`, to its end or `forever`.

        The first frame tells how it stands; what can be refused is refused before it. Later on it
        raises where the store cannot be read.

        Raises:
            SessionNotFoundError: there is no such session.
            CursorUnknownError: the cursor is of another session of this id, or past its head.
            OverloadedError: there are too many readers.
        """
        with (
            self.counted(),
            self._bells.listening(session_id) as rung,
            self._tail(session_id) as tail,
        ):
            shown = await tail.look(None)
            seq = _seq_to_begin_after(begin, shown.session)
            yield SessionChanged(session=shown.session)
            fresh = False
            while not self._bells.is_closed:
                rung.clear()
                news = await _look(tail, seq, shown.session.generation, fresh=fresh)
                if news is None:
                    yield SessionDeleted(session_id=session_id)
                    return
                frames, before = _frames(news, shown), seq
                if news.batch.events:
                    seq = news.batch.events[-1].event.seq
                # A reader that is slow to take its frames keeps no event beside them.
                shown = replace(news, batch=NOTHING)
                del news
                while frames:
                    yield frames.pop(0)
                if seq < shown.session.last_seq:
                    continue
                if shown.session.status == "finished" and not forever:
                    yield SessionEnded(session=shown.session)
                    return
                if seq > before:
                    await asyncio.sleep(PACE_SECONDS)
                fresh = not await _rings(rung, HEARTBEAT_SECONDS)
                if fresh:
                    yield Heartbeat()
            yield Stopping()

    async def follow_list(self, cursor: Cursor) -> AsyncGenerator[ListFrame]:
        """Yield what is changed in the list of all sessions past a cursor, for ever.

        The first frame comes at once, and may hold no change. Later on it raises the same, and
        where the store cannot be read.

        Raises:
            CursorUnknownError: the cursor is of another database, or too much was deleted since.
            OverloadedError: there are too many readers.
        """
        with self.counted(), self._bells.listening(None) as rung:
            known = cursor  # up to here the reader has heard of every session that there is
            found = await self._read_changes(cursor, known)
            yield ListChanged(changes=found.changes, cursor=found.cursor)
            while not self._bells.is_closed:
                if not found.has_more:
                    known = found.cursor
                    await asyncio.sleep(LIST_PACE_SECONDS)
                    if not await _rings(rung, HEARTBEAT_SECONDS):
                        yield Heartbeat()
                rung.clear()
                found = await self._read_changes(found.cursor, known)
                if found.changes:
                    yield ListChanged(changes=found.changes, cursor=found.cursor)
            yield Stopping()

    async def _read_changes(self, after: Cursor, known: Cursor) -> Changes:
        return await self._reader.read(
            lambda store: store.feeds.read_changes(after, limit=CHANGES_AT_ONCE, known=known)
        )

    async def _read_session(self, session_id: str, after: int, limit: int) -> SessionNews:
        return await self._reader.read(
            lambda store: store.feeds.read_session(
                session_id, after=after, limit=limit, max_chars=CHARS_AT_ONCE
            )
        )

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Be one of the readers for as long as the block lasts.

        Raises:
            OverloadedError: there are too many.
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
        """The tail that all who follow a session share; it goes with the last of them."""
        followed = self._followed.get(session_id)
        if followed is None:
            listening = ExitStack()
            rung = listening.enter_context(self._bells.listening(session_id))
            tail = Tail(session_id, rung, self._read_session)
            followed = self._followed[session_id] = _Followed(tail=tail, listening=listening)
        followed.readers += 1
        try:
            yield followed.tail
        finally:
            followed.readers -= 1
            if not followed.readers:
                followed.listening.close()
                del self._followed[session_id]


@dataclass(kw_only=True)
class _Followed:
    """A session that somebody follows."""

    tail: Tail
    listening: ExitStack
    readers: int = 0


async def _look(tail: Tail, seq: int, generation: str, *, fresh: bool) -> News | None:
    """What is new past `seq`; None where the session of this generation is gone."""
    try:
        news = await tail.look(seq, fresh=fresh)
    except SessionNotFoundError:
        return None
    return news if news.session.generation == generation else None


def _frames(news: News, shown: News) -> list[Frame]:
    """What a follower is told who was `shown` something before."""
    frames: list[Frame] = []
    if news.batch.events:
        frames.append(EventsAdded(batch=news.batch, generation=news.session.generation))
    if news.facts != shown.facts:
        frames.append(SessionChanged(session=news.session))
    return frames


def _seq_to_begin_after(begin: Cursor | int, session: Session) -> int:
    if isinstance(begin, int):
        return begin
    if begin.generation != session.generation or begin.number > session.last_seq:
        head = Cursor(generation=session.generation, number=session.last_seq)
        raise CursorUnknownError(str(head))
    return begin.number


async def _rings(rung: asyncio.Event, seconds: float) -> bool:
    """Wait for a bell; False if it did not ring in time."""
    try:
        async with asyncio.timeout(seconds):
            await rung.wait()
    except TimeoutError:
        return False
    return True

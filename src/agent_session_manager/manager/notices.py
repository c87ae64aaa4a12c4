"""The use cases of notices, which tell a session that runs of the sessions below it have ended."""

from __future__ import annotations

import contextlib
from collections.abc import Collection

from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.concurrency.wakeups import Wakeups
from agent_session_manager.concurrency.writer import Writer
from agent_session_manager.domain.errors import SessionNotFoundError
from agent_session_manager.domain.sessions.notice import Batch, Due, Outlook
from agent_session_manager.domain.sessions.run_token import RunCaller
from agent_session_manager.store.changes import OfferNotices, TakeAsKnown


class Notices:
    """The use cases. Session ids must have the form of one."""

    def __init__(self, writer: Writer, reader: Reader, wakeups: Wakeups) -> None:
        self._writer = writer
        self._read = reader.read
        self._wakeups = wakeups

    @property
    def changes(self) -> int:
        """Number of wakeups so far; the same number means that nothing has changed."""
        return self._wakeups.count

    def wake(self, session_ids: Collection[str]) -> None:
        """Let the callers that wait for these sessions look again. This is not a change."""
        self._wakeups.remind(session_ids)

    async def find_due(self) -> Due:
        """Find the sessions whose pending notices can be delivered now."""
        return await self._read(lambda store: store.notices.find_due())

    async def offer(self, session_id: str) -> None:
        """Offer the pending notices for a session to its open run, if it can take them."""
        with contextlib.suppress(SessionNotFoundError):  # it was deleted a moment ago
            await self._writer.commit(OfferNotices(session_id=session_id))

    async def get_batch(self, session_id: str, run: int) -> Batch | None:
        """Return the notices that are offered to a run."""
        return await self._read(lambda store: store.notices.get_batch(session_id, run))

    async def get_outlook(self, session_id: str, run: int, *, wait_seconds: float = 0.0) -> Outlook:
        """Return the outlook of a session: its notices, and how many runs can still write one.

        A wait ends once its notices are due, none can come, or there is a newer run.
        """

        async def look() -> tuple[Outlook, bool]:
            found = await self._read(lambda store: store.notices.get_outlook(session_id))
            is_over = found.hold is not None or not (found.awaited or found.undelivered)
            return found, found.is_due or is_over or found.newest_run != run

        return await self._wakeups.look_until(session_id, look, wait_seconds)

    async def note_known(self, caller: RunCaller | None, session_id: str) -> None:
        """Take a success as known to the agent that has read its result: no notice tells it."""
        if caller is None or not caller.is_agent:
            return
        number = caller.session_number
        if await self._read(lambda store: store.notices.is_news(number, session_id)):
            await self._writer.commit(TakeAsKnown(session_id=session_id, parent=caller))

"""The feed of all sessions as a run sees it: its own session, and what is below that."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import CursorUnknownError
from agent_session_manager.feed.frames import Heartbeat, ListChanged, ListFrame, Stopping
from agent_session_manager.store.feeds import ChangedSession, DeletedSession

ListFamily = Callable[[], Awaitable[dict[str, str]]]
"""The ids of the family as it is now, each with the generation of its session."""


async def of_family(
    frames: AsyncGenerator[ListFrame], list_family: ListFamily, head: Cursor
) -> AsyncGenerator[ListFrame]:
    """Yield of the frames what is of the family.

    Of a session that is gone nobody knows whose it was. What is deleted while the reader is here is
    told if the reader knew of it. A reader who comes back is sent to list anew where anything was
    deleted up to `head`, which is where the feed was when it came.

    Raises:
        CursorUnknownError: something was deleted while the reader was away.
    """
    known = set(await list_family())
    async with aclosing(frames):
        async for frame in frames:
            if not isinstance(frame, ListChanged) or not frame.changes:
                yield frame
                continue
            family = await list_family()
            shown = [change for change in frame.changes if _is_told(change, family, known, head)]
            if not family:  # the run's own session is gone, and the right to be here with it
                yield Stopping()
                return
            is_first = frame.cursor.number <= head.number
            yield (
                ListChanged(changes=shown, cursor=frame.cursor)
                if shown or is_first
                else Heartbeat()
            )


def _is_told(
    change: ChangedSession | DeletedSession, family: dict[str, str], known: set[str], head: Cursor
) -> bool:
    """Whether the reader hears of it; keeps up what is `known` to it."""
    if isinstance(change, DeletedSession):
        if change.position <= head.number:
            raise CursorUnknownError(str(head))
        is_known = change.session_id in known
        known.discard(change.session_id)
        return is_known
    session = change.session
    if family.get(session.session_id) != session.generation:
        return False
    known.add(session.session_id)
    return True

"""The feed of all sessions as a run sees it: its own session, and the sessions below it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import CursorUnknownError
from agent_session_manager.feed.frames import Heartbeat, ListFrame, Stopping
from agent_session_manager.store.feeds import ChangedSession, Changes, DeletedSession

ListFamily = Callable[[], Awaitable[dict[str, str]]]
"""Reads the current family: the ids of its sessions, each with its generation."""


async def of_family(
    frames: AsyncGenerator[ListFrame], list_family: ListFamily, head: Cursor
) -> AsyncGenerator[ListFrame]:
    """Filter frames by family: yield only the changes in the family.

    The store no longer knows the family of a deleted session. So a deletion is yielded only if the
    reader has received the session before. `head` is the position of the feed when the reader
    connected. A session that was deleted up to `head` may have been in the family: the reader must
    list the family again.

    Raises:
        CursorUnknownError: a session was deleted while the reader was disconnected.
    """
    known = set(await list_family())
    async with aclosing(frames):
        async for frame in frames:
            if not isinstance(frame, Changes) or not frame.changes:
                yield frame
                continue
            family = await list_family()
            shown = [change for change in frame.changes if _is_shown(change, family, known, head)]
            if not family:  # the run's own session is deleted, and its access ends with it
                yield Stopping()
                return
            is_first = frame.cursor.number <= head.number
            yield replace(frame, changes=shown) if shown or is_first else Heartbeat()


def _is_shown(
    change: ChangedSession | DeletedSession, family: dict[str, str], known: set[str], head: Cursor
) -> bool:
    """Return whether the reader gets the change; update the ids that the reader has, `known`."""
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

"""What changes have in common: their positions in the feed of all sessions, and their moments.

A position is given in the transaction that makes a change.

One writes at a time, so positions are taken and become visible in the same order: a reader that
has seen one has missed none before it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    bindparam,
    case,
    cast,
    delete,
    insert,
    select,
    update,
)

from agent_session_manager.sql.schema.tables import deleted_sessions, feed

KEPT_DELETIONS = 10_000
"""How many deletions are told to readers that come back; one that missed more lists anew."""

_MOVE_ON = update(feed).values(position=feed.c.position + bindparam("count"))
_POSITION = select(feed.c.position)
_LAST_TO_GO = (
    select(deleted_sessions.c.position)
    .order_by(deleted_sessions.c.position.desc())
    .offset(bindparam("kept"))
    .limit(1)
)


def take_positions(connection: Connection, count: int = 1) -> int:
    """Take the next positions, so many of them, and return the first."""
    connection.execute(_MOVE_ON, {"count": count})
    position: int = connection.execute(_POSITION).scalar_one()
    return position - count + 1


def record_deletion(connection: Connection, session_id: str) -> None:
    """Let readers know that a session is gone; the oldest of what they were told is forgotten."""
    values = {"position": take_positions(connection), "session_id": session_id}
    connection.execute(insert(deleted_sessions), values)
    last_to_go = connection.scalar(_LAST_TO_GO, {"kept": KEPT_DELETIONS})
    if last_to_go is not None:
        old = deleted_sessions.c.position <= last_to_go
        connection.execute(delete(deleted_sessions).where(old))
        connection.execute(update(feed).values(complete_after=last_to_go))


def not_before(begin: Column[int], now: Any) -> ColumnElement[int]:
    """The moment `now` as the end of what began at `begin`: nothing lasts less than no time.

    The clock may have been set back in between.
    """
    end = cast(now, BigInteger)
    return case((begin > end, begin), else_=end)

"""Positions of changes in the feed of all sessions, and moments of changes.

A change gets its position in its own transaction. Only one transaction writes at a time, so
positions become visible in ascending order: a reader that has seen a position has missed none
before it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
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

from agent_session_manager.sql.database.direct import read, write
from agent_session_manager.sql.schema.tables import deleted_sessions, feed

KEPT_DELETIONS = 10_000
"""Number of deletions that the feed keeps; a reader that missed more must list everything again."""

_MOVE_ON = update(feed).values(position=feed.c.position + bindparam("count"))
_POSITION = select(feed.c.position)
_LAST_TO_GO = (
    select(deleted_sessions.c.position)
    .order_by(deleted_sessions.c.position.desc())
    .offset(bindparam("kept"))
    .limit(1)
)


def take_positions(connection: Connection, count: int = 1) -> int:
    """Take the next `count` positions and return the first."""
    write(connection, _MOVE_ON, [{"count": count}])
    [(position,)] = read(connection, _POSITION, {})
    return int(position) - count + 1


def record_deletion(connection: Connection, session_id: str) -> None:
    """Record in the feed that a session was deleted, and drop the oldest deletions."""
    values = {"position": take_positions(connection), "session_id": session_id}
    connection.execute(insert(deleted_sessions), values)
    last_to_go = connection.scalar(_LAST_TO_GO, {"kept": KEPT_DELETIONS})
    if last_to_go is not None:
        old = deleted_sessions.c.position <= last_to_go
        connection.execute(delete(deleted_sessions).where(old))
        connection.execute(update(feed).values(complete_after=last_to_go))


def not_before(begin: ColumnElement[int], now: Any) -> ColumnElement[int]:
    """Return `now`, or `begin` if it is later, so that no duration is negative.

    `begin` is later than `now` if the clock was set back in between.
    """
    end = cast(now, BigInteger)
    return case((begin > end, begin), else_=end)

"""Marking the ancestors of a changed session as changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, bindparam, update

from agent_session_manager.sql.read.descendants import ancestors_of
from agent_session_manager.sql.schema.tables import sessions
from agent_session_manager.sql.write.derived.positions import take_positions

_TOLD = (
    update(sessions)
    .where(sessions.c.number == bindparam("of"))
    .values(changed_position=bindparam("position"))
)


def tell_above(connection: Connection, numbers: Iterable[int]) -> None:
    """Mark the ancestors of these sessions as changed, for readers of the feed."""
    tell(connection, ancestors_of(connection, numbers))


def tell(connection: Connection, numbers: Sequence[int]) -> None:
    """Mark these sessions as changed, for readers of the feed: a session below them changed."""
    if numbers:
        first = take_positions(connection, len(numbers))
        moved = [{"of": number, "position": at} for at, number in enumerate(numbers, first)]
        connection.execute(_TOLD, moved)

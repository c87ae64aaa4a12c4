"""The filter `text` of lists, narrowed with the search index.

The filter itself reads all sessions until a page is full. The index names the few sessions that can
contain a rare text. It may be behind, so the sessions that have changed since then are added.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from agent_session_manager.sql.schema.tables import sessions
from agent_session_manager.store.queries import SessionFilter
from agent_session_manager.store.search import Narrowed

MOST = 500
"""A text in more sessions fills a page soon, without the index."""

_CHANGED: Select[Any] = (
    select(sessions.c.number)
    .where(sessions.c.changed_position > bindparam("after"))
    .limit(bindparam("count"))
)


def narrowed(connection: Connection, where: SessionFilter, found: Narrowed) -> SessionFilter:
    """Return the filter for `found` and for the sessions that have changed since then.

    Read `found` before the connection begins to read.
    """
    changed = connection.scalars(_CHANGED, {"after": found.through, "count": MOST + 1}).all()
    return where if len(changed) > MOST else replace(where, among={*found.numbers, *changed})

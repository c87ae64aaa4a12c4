"""Sums over runs and sessions, in SQL for both databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, case, func, select

from agent_session_manager.domain.session import REASONS, State, Usage
from agent_session_manager.store import rows
from agent_session_manager.store.statistics import Facet, Facets, UsageRow
from agent_session_manager.store.tables import runs, sessions

_MICROSECOND = timedelta(microseconds=1)


class SqlStatistics:
    """Reads through connections that `read` lends."""

    def __init__(self, read: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._read = read

    def sum_usage(self, *, since: datetime, bucket: timedelta, offset: timedelta) -> list[UsageRow]:
        size, shift = bucket // _MICROSECOND, offset // _MICROSECOND
        number = ((runs.c.started_at + shift) // size).label("number")
        query = (
            select(
                number,
                sessions.c.agent_name,
                func.count().label("runs"),
                *(_count(state) for state in (State.FAILED, State.STOPPED, State.LOST)),
                *(func.sum(runs.c[name]).label(name) for name in rows.USAGE_COLUMNS),
            )
            .join_from(runs, sessions, sessions.c.number == runs.c.session_number)
            .where(runs.c.started_at >= rows.to_microseconds(since))
            .group_by(number, sessions.c.agent_name)
            .order_by(number, sessions.c.agent_name)
        )
        with self._read() as connection:
            found = connection.execute(query).all()
        return [
            UsageRow(
                start=rows.to_moment(row.number * size - shift),
                agent_name=row.agent_name,
                runs=row.runs,
                failed=row.failed,
                stopped=row.stopped,
                lost=row.lost,
                usage=Usage(**{name: int(row._mapping[name]) for name in rows.USAGE_COLUMNS}),
            )
            for row in found
        ]

    def list_facets(self, *, limit: int) -> Facets:
        with self._read() as connection:
            return Facets(
                projects=_most_frequent(connection, sessions.c.project_dir, limit),
                agents=_most_frequent(connection, sessions.c.agent_name, limit),
            )


def _count(state: State) -> ColumnElement[int]:
    reasons: Sequence[str] = [reason.value for reason in REASONS[state]]
    return func.sum(case((runs.c.reason.in_(reasons), 1), else_=0)).label(state.value)


def _most_frequent(connection: Connection, column: Column[Any], limit: int) -> list[Facet]:
    count = func.count().label("count")
    query = (
        select(column.label("value"), count)
        .where(column.is_not(None), sessions.c.archived_at.is_(None))
        .group_by(column)
        .order_by(count.desc(), column)
        .limit(limit)
    )
    found = connection.execute(query)
    return [Facet(value=row.value, count=row._mapping["count"]) for row in found]

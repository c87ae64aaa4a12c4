"""Reads of alerts: those that are due, and a summary of each target for people."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, case, exists, func, or_, select

from agent_session_manager.domain.sessions.alert import (
    MAX_ASKED_PAUSE_SECONDS,
    Alert,
    AlertKind,
    AlertState,
)
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.alerts import alerts
from agent_session_manager.store.alerts import DueAlerts

_earlier = alerts.alias()
_HEADS = and_(
    alerts.c.target_id == bindparam("of_target"),
    alerts.c.state == AlertState.WAITING.value,
    ~exists().where(
        _earlier.c.target_id == alerts.c.target_id,
        _earlier.c.state == AlertState.WAITING.value,
        _earlier.c.session_number == alerts.c.session_number,
        _earlier.c.number < alerts.c.number,
    ),
)
"""The first waiting alert of each session, for one target."""
_LONGEST_PAUSE = rows.to_span(timedelta(seconds=MAX_ASKED_PAUSE_SECONDS))
_DUE: Select[Any] = (
    select(alerts)
    .where(
        _HEADS,
        or_(
            alerts.c.next_at <= bindparam("now"),
            # No pause is longer: the clock was set back.
            alerts.c.next_at > bindparam("now") + _LONGEST_PAUSE,
        ),
    )
    .order_by(alerts.c.number)
    .limit(1)
)
_NEXT_AT = select(func.min(alerts.c.next_at)).where(_HEADS)


class SqlAlerts:
    """Reads through connections from `read`, by the time of `clock`."""

    def __init__(
        self,
        read: Callable[[], AbstractContextManager[Connection]],
        clock: Callable[[], datetime],
    ) -> None:
        self._read = read
        self._clock = clock
        self._notices: list[Callable[[], None]] = []

    def read_due(self, target_ids: Collection[str]) -> DueAlerts:
        now = rows.to_microseconds(self._clock())
        found, later = [], []
        with self._read() as connection:
            for target_id in target_ids:
                of_target = {"of_target": target_id}
                due = connection.execute(_DUE, {**of_target, "now": now}).one_or_none()
                if due is not None:
                    found.append(_to_alert(due))
                elif (next_at := connection.scalar(_NEXT_AT, of_target)) is not None:
                    later.append(rows.to_moment(next_at))
        return DueAlerts(alerts=found, next_at=min(later, default=None))

    def watch(self, notice: Callable[[], None]) -> None:
        self._notices.append(notice)

    def tell(self) -> None:
        """Call the notices: a commit has stored alerts."""
        for notice in self._notices:
            notice()


@dataclass(frozen=True, kw_only=True)
class AlertSummary:
    """The queue of one target, for people."""

    waiting: int = 0
    given_up: int = 0
    """Number of alerts in the last days that were not delivered."""
    delivered_at: datetime | None = None
    failed_at: datetime | None = None
    """Time of the last alert that was given up."""
    error: str | None = None
    """The newest failure of the alerts that wait or were given up."""


def summarize_alerts(connection: Connection) -> dict[str, AlertSummary]:
    """Return the summary of each target that has alerts."""
    return {
        row.target_id: AlertSummary(
            waiting=row.waiting,
            given_up=row.given_up,
            delivered_at=_moment(row.delivered_at),
            failed_at=_moment(row.failed_at),
            error=connection.scalar(_ERROR, {"number": row.failed}),
        )
        for row in connection.execute(_SUMMARIES).all()
    }


_is_delivered = alerts.c.state == AlertState.DELIVERED.value
_is_given_up = alerts.c.state == AlertState.GIVEN_UP.value
_SUMMARIES = select(
    alerts.c.target_id,
    func.count(case((alerts.c.state == AlertState.WAITING.value, 1))).label("waiting"),
    func.count(case((_is_given_up, 1))).label("given_up"),
    func.max(case((_is_delivered, alerts.c.settled_at))).label("delivered_at"),
    func.max(case((_is_given_up, alerts.c.settled_at))).label("failed_at"),
    func.max(case((and_(alerts.c.error.is_not(None), ~_is_delivered), alerts.c.number))).label(
        "failed"
    ),
).group_by(alerts.c.target_id)
_ERROR = select(alerts.c.error).where(alerts.c.number == bindparam("number"))


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else rows.to_moment(microseconds)


def _to_alert(row: Row[Any]) -> Alert:
    return Alert(
        alert_id=row.alert_id,
        target_id=row.target_id,
        kind=AlertKind(row.kind),
        created_at=rows.to_moment(row.created_at),
        facts=rows.readable_fields(row.facts),
    )

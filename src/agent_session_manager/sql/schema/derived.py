"""The values that the store derives from the record: states, facets and sums of usage.

Each is defined here once, as an expression that has a value for any content of the record. Writers
keep the stored values in step with it, readers use it where there is no stored value, and `verify`
compares both.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Select,
    case,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)

from agent_session_manager.domain.session import REASONS, State
from agent_session_manager.sql.schema.rows import USAGE_COLUMNS, WITH_NEWEST_RUN, to_microseconds
from agent_session_manager.sql.schema.tables import runs, sessions

HOUR = 3_600_000_000
"""The period of one sum of usage, in microseconds."""
MAX_COUNTED = 10**15
"""Maximum of tokens of one run."""
MAX_COST = 10**17
"""Maximum cost of one run, in nanodollars."""
MAX_SUM = 2**58
"""Maximum of a sum of one hour: the sum of a day still fits 64 bits."""
STARTED_BEFORE = to_microseconds(datetime(9999, 12, 30, 1, tzinfo=UTC))
"""A run that begins later is damaged: its day may not be a valid date in some time zones."""
_ENDS = (State.FAILED, State.STOPPED, State.LOST)
SUM_COLUMNS = ("runs", *(state.value for state in _ENDS), *USAGE_COLUMNS)
_PART = 2**20


def _has_ended(state: State) -> ColumnElement[bool]:
    return runs.c.reason.in_([reason.value for reason in REASONS[state]])


def _counted(column: Column[int]) -> ColumnElement[int]:
    """Return the count to add. A damaged count counts as 0, or the sum would overflow."""
    most = MAX_COST if column.name == "cost_nanodollars" else MAX_COUNTED
    return case((column.between(0, most), column), else_=0)


STATE: ColumnElement[str | None] = case(
    (sessions.c.status == "running", State.RUNNING.value),
    (sessions.c.status != "finished", null()),
    *((_has_ended(state), state.value) for state in REASONS),
)
"""The state of a session in a query that joins its newest run."""
STATE_OF_NEWEST_RUN = select(STATE).where(WITH_NEWEST_RUN).correlate(sessions).scalar_subquery()
"""The state of a session in a statement that has only the session."""

COUNTED: dict[str, ColumnElement[int]] = {
    "runs": literal(1, BigInteger),
    **{state.value: case((_has_ended(state), 1), else_=0) for state in _ENDS},
    **{name: _counted(runs.c[name]) for name in USAGE_COLUMNS},
}
"""The share of a run in each sum of usage."""

_started_at = cast(runs.c.started_at, BigInteger)
_hour = case(
    (runs.c.started_at.between(0, STARTED_BEFORE - 1), _started_at - _started_at % HOUR),
    else_=null(),
)
RUN_SHARES = select(
    runs.c.session_number,
    runs.c.run,
    _hour.label("hour"),
    func.coalesce(sessions.c.agent_name, "").label("agent_name"),
    *(share.label(name) for name, share in COUNTED.items()),
).join_from(runs, sessions, sessions.c.number == runs.c.session_number)
"""The shares of runs, each in the sums of one hour and agent; no hour: it is in none."""

FACETS = {"project": sessions.c.project_dir, "agent": sessions.c.agent_name}
"""The columns of a session that are facets, by their kind."""
SESSION_SHARES = union_all(
    *(
        select(
            sessions.c.number.label("session_number"),
            literal(kind).label("kind"),
            column.label("value"),
        ).where(column.is_not(None), sessions.c.archived_at.is_(None))
        for kind, column in FACETS.items()
    )
)
"""The facets in which a session counts."""


def all_facets() -> Select[Any]:
    """Return the rows that `facets` should have."""
    shares = SESSION_SHARES.subquery()
    of_kind = select(shares.c.kind, shares.c.value, func.count().label("sessions"))
    return of_kind.group_by(shares.c.kind, shares.c.value)


def all_usage_sums() -> Select[Any]:
    """Return the rows that `usage_sums` should have."""
    shares = RUN_SHARES.subquery()
    sums = (capped_sum(shares.c[name]).label(name) for name in SUM_COLUMNS)
    of_hour = select(shares.c.hour, shares.c.agent_name, *sums)
    of_hour = of_hour.where(shares.c.hour.is_not(None))
    return of_hour.group_by(shares.c.hour, shares.c.agent_name)


def capped_sum(share: ColumnElement[int]) -> ColumnElement[int]:
    """Return a sum of at most `MAX_SUM`, in two parts: SQLite fails if a sum exceeds 64 bits."""
    high, low = func.sum(share // _PART), func.sum(share % _PART)
    is_beyond = high >= literal(MAX_SUM // _PART, BigInteger)
    return case((is_beyond, literal(MAX_SUM, BigInteger)), else_=high * _PART + low)

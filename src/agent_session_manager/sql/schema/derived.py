"""The values that the store derives from the record: states, attention, questions, facets, sums.

Each is defined here once, as an expression that has a value for any content of the record. Writers
keep the stored values in step with it, readers use it where there is no stored value, and `verify`
compares both.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Label,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    join,
    literal,
    null,
    or_,
    select,
    union_all,
)

from agent_session_manager.domain.events.model_request import COUNTS
from agent_session_manager.domain.events.question import ASKED, ASKED_SUFFIX, DECIDED_SUFFIX
from agent_session_manager.domain.sessions.attention import QUESTION_MARKS, AttentionKind
from agent_session_manager.domain.sessions.session import REASONS, Reason, State
from agent_session_manager.sql.schema.rows import USAGE_COLUMNS, WITH_NEWEST_RUN, to_microseconds
from agent_session_manager.sql.schema.tables import (
    AGENT,
    events,
    questions,
    runs,
    sessions,
    usage_facts,
)

HOUR = 3_600_000_000
"""The period of one sum of usage, in microseconds."""
MAX_COUNTED = 10**15
"""Maximum of tokens of one run."""
MAX_COST = 10**17
"""Maximum cost of one run, in nanodollars."""
MAX_SUM = 2**58
"""Maximum of a sum of one hour: the sum of a day still fits 64 bits."""
STARTED_BEFORE = to_microseconds(datetime(9999, 12, 30, 1, tzinfo=UTC))
"""A later moment is damaged: its day may not be a valid date in some time zones."""
_ENDS = (State.FAILED, State.STOPPED, State.LOST)
SHARE_COLUMNS = ("runs", "requests")
"""The sums that count shares: a sum without a share has no row."""
SUM_COLUMNS = (*SHARE_COLUMNS, *(state.value for state in _ENDS), *USAGE_COLUMNS)
_PART = 2**20
ZERO = literal(0, BigInteger)
"""A share that is never counted, so that no sum of it is computed."""
_PRICED_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")


def _has_ended(state: State) -> ColumnElement[bool]:
    return runs.c.reason.in_([reason.value for reason in REASONS[state]])


def _counted(column: Column[int]) -> ColumnElement[int]:
    """Return the count to add. A damaged count counts as 0, or the sum would overflow."""
    most = MAX_COST if column.name == "cost_nanodollars" else MAX_COUNTED
    return case((column.between(0, most), column), else_=0)


_IS_ASKING = (
    exists()
    .where(questions.c.session_number == sessions.c.number, questions.c.run == sessions.c.last_run)
    .correlate(sessions)
)
_is_waiting = and_(sessions.c.status == "running", _IS_ASKING)
STATE: ColumnElement[str | None] = case(
    (_is_waiting, State.WAITING.value),
    (sessions.c.status == "running", State.RUNNING.value),
    (sessions.c.status != "finished", null()),
    *((_has_ended(state), state.value) for state in REASONS),
)
"""The state of a session in a query that joins its newest run."""
STATE_OF_NEWEST_RUN = select(STATE).where(WITH_NEWEST_RUN).correlate(sessions).scalar_subquery()
"""The state of a session in a statement that has only the session."""

_ended_well = _has_ended(State.FINISHED)
_attention: ColumnElement[str | None] = case(
    (sessions.c.archived_at.is_not(None), null()),
    (_is_waiting, AttentionKind.ASKS.value),
    (or_(sessions.c.status != "finished", sessions.c.parent_session_id.is_not(None)), null()),
    (or_(runs.c.imported, sessions.c.seen_run >= sessions.c.last_run), null()),
    (or_(_has_ended(State.FAILED), _has_ended(State.LOST)), AttentionKind.FAILED.value),
    (and_(_ended_well, runs.c.denied_calls > 0), AttentionKind.DENIED.value),
    (
        and_(_ended_well, or_(*(runs.c.outcome.endswith(mark) for mark in QUESTION_MARKS))),
        AttentionKind.QUESTION.value,
    ),
    (_ended_well, AttentionKind.DONE.value),
)
ATTENTION_OF_NEWEST_RUN = (
    select(_attention).where(WITH_NEWEST_RUN).correlate(sessions).scalar_subquery()
)
"""The attention of a session, but for `quiet`, which depends on the time."""

HOST_OF_NEWEST_RUN = (
    select(runs.c.host).where(WITH_NEWEST_RUN).correlate(sessions).scalar_subquery()
)
"""The machine on which the newest run of a session executes."""

COUNTED: dict[str, ColumnElement[int]] = {
    "runs": literal(1, BigInteger),
    "requests": ZERO,
    **{state.value: case((_has_ended(state), 1), else_=0) for state in _ENDS},
    **{name: _counted(runs.c[name]) for name in USAGE_COLUMNS},
}
"""The share of a run in each sum of usage. Its place is the start of the run."""

_counts = {name: _counted(usage_facts.c[name]) for name in COUNTS}
_tokens = sum((_counts[name] for name in _PRICED_TOKENS[1:]), _counts[_PRICED_TOKENS[0]])
FACT_COUNTED: dict[str, ColumnElement[int]] = {
    **dict.fromkeys(SUM_COLUMNS, ZERO),
    "requests": literal(1, BigInteger),
    **_counts,
    "cost_nanodollars": _counted(usage_facts.c.cost_nanodollars),
    "unpriced_tokens": case((usage_facts.c.cost_nanodollars.is_(None), _tokens), else_=0),
}
"""The share of a model request in each sum of usage. Its place is the time of the request."""
FACT_TAKEN: dict[str, ColumnElement[int]] = {
    name: -FACT_COUNTED[name] if name in USAGE_COLUMNS else ZERO for name in SUM_COLUMNS
}
"""The share that a model request takes from the start of its run, which has the total."""


def _is_valid(moment: Column[int]) -> ColumnElement[bool]:
    """Return whether a moment is valid.

    The function keeps SQLite from using this wide range for the index, instead of a given period.
    """
    return func.coalesce(moment, -1).between(0, STARTED_BEFORE - 1)


HAS_VALID_START = _is_valid(runs.c.started_at)
IS_DATED = _is_valid(usage_facts.c.occurred_at)
"""True if the time of a request is known. Without a time, it is at the start of its run."""


def _hour_of(moment: ColumnElement[int]) -> ColumnElement[int]:
    exact = cast(moment, BigInteger)
    return exact - exact % HOUR


def _labelled(shares: Mapping[str, ColumnElement[int]]) -> list[Label[int]]:
    return [shares[name].label(name) for name in SUM_COLUMNS]


_hour = case((HAS_VALID_START, _hour_of(runs.c.started_at)), else_=null())
_fact_hour = case(
    (HAS_VALID_START & IS_DATED, _hour_of(usage_facts.c.occurred_at)),
    else_=_hour,
)
AGENT_OF_SUM = func.coalesce(AGENT, "").label("agent_name")
"""The agent whose sums a session counts in; empty for a session without one."""
OF_RUNS = join(runs, sessions, sessions.c.number == runs.c.session_number)
OF_FACTS = join(
    usage_facts,
    OF_RUNS,
    (runs.c.session_number == usage_facts.c.session_number) & (runs.c.run == usage_facts.c.run),
)
RUN_SHARES = select(
    runs.c.session_number, runs.c.run, _hour.label("hour"), AGENT_OF_SUM, *_labelled(COUNTED)
).select_from(OF_RUNS)
"""The shares of runs, each in the sums of one hour and agent; no hour: it is in none."""
FACT_SHARES = select(
    usage_facts.c.request_key,
    _fact_hour.label("hour"),
    _hour.label("hour_of_run"),
    AGENT_OF_SUM,
    *_labelled(FACT_COUNTED),
).select_from(OF_FACTS)
"""The shares of requests. The same usage is taken from the hour of the run; no hour: no share."""


class Shares(NamedTuple):
    """A part of the shares in sums of usage, each at an exact moment."""

    moment: ColumnElement[int]
    source: FromClause
    counted: Mapping[str, ColumnElement[int]]
    conditions: tuple[ColumnElement[bool], ...] = ()

    @property
    def is_at_its_time(self) -> bool:
        """True for requests that count where they are, and not at the start of their run."""
        return self.counted is FACT_COUNTED


USAGE_SHARES = (
    Shares(runs.c.started_at, OF_RUNS, COUNTED),
    Shares(usage_facts.c.occurred_at, OF_FACTS, FACT_COUNTED, (HAS_VALID_START, IS_DATED)),
    Shares(runs.c.started_at, OF_FACTS, FACT_TAKEN, (HAS_VALID_START,)),
    Shares(runs.c.started_at, OF_FACTS, FACT_COUNTED, (HAS_VALID_START, ~IS_DATED)),
)
"""All shares: of runs, of requests with a time, what requests take, and of the other requests."""

FACETS = {"project": sessions.c.project_dir, "agent": AGENT, "host": sessions.c.host}
"""The values of a session that are facets, by their kind."""
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


def all_questions() -> Select[Any]:
    """Return the rows that `questions` should have, as `opens_question` defines them."""
    question_id = func.substr(
        events.c.event_id, 1, func.length(events.c.event_id) - len(ASKED_SUFFIX)
    )
    decided = events.alias("decided")
    return (
        select(
            events.c.session_number,
            question_id.label("question_id"),
            events.c.run,
            events.c.seq,
            events.c.recorded_at.label("asked_at"),
        )
        .join_from(events, sessions, sessions.c.number == events.c.session_number)
        .join(runs, WITH_NEWEST_RUN)
        .where(
            events.c.event_type == ASKED,
            events.c.run == runs.c.run,
            events.c.event_id.endswith(ASKED_SUFFIX),
            or_(
                runs.c.finished_at.is_(None),
                and_(runs.c.reason == Reason.LOST.value, runs.c.lease_holder.is_not(None)),
            ),
            ~runs.c.imported,
            ~exists()
            .where(
                decided.c.session_number == events.c.session_number,
                decided.c.event_id == question_id + DECIDED_SUFFIX,
            )
            .correlate(events),
        )
    )


def all_facets() -> Select[Any]:
    """Return the rows that `facets` should have."""
    shares = SESSION_SHARES.subquery()
    of_kind = select(shares.c.kind, shares.c.value, func.count().label("sessions"))
    return of_kind.group_by(shares.c.kind, shares.c.value)


def all_usage_sums() -> Select[Any]:
    """Return the rows that `usage_sums` should have."""
    of_runs = select(_hour.label("hour"), AGENT_OF_SUM, *_labelled(COUNTED)).select_from(OF_RUNS)
    return _sums_of_hours(of_runs, *_all_fact_shares())


def sums_of_facts_after(number: int) -> Select[Any]:
    """Return the sums of the requests of all sessions after a session number."""
    is_after = sessions.c.number > number
    return _sums_of_hours(*(each.where(is_after) for each in _all_fact_shares()))


def _all_fact_shares() -> list[Select[Any]]:
    return [
        select(hour.label("hour"), AGENT_OF_SUM, *_labelled(shares)).select_from(OF_FACTS)
        for hour, shares in ((_fact_hour, FACT_COUNTED), (_hour, FACT_TAKEN))
    ]


def _sums_of_hours(*shares: Select[Any]) -> Select[Any]:
    every = union_all(*shares).subquery()
    sums = (capped_sum(every.c[name]).label(name) for name in SUM_COLUMNS)
    of_hour = select(every.c.hour, every.c.agent_name, *sums)
    return of_hour.where(every.c.hour.is_not(None)).group_by(every.c.hour, every.c.agent_name)


def capped_sum(share: ColumnElement[int]) -> ColumnElement[int]:
    """Return a sum from -`MAX_SUM` to `MAX_SUM`.

    It has two parts, because SQLite fails if a sum exceeds 64 bits.
    """
    if share is ZERO:
        return ZERO
    high, low = func.sum(share // _PART), func.sum(share % _PART)
    bound, most = literal(MAX_SUM // _PART, BigInteger), literal(MAX_SUM, BigInteger)
    return case((high >= bound, most), (high <= -bound, -most), else_=high * _PART + low)


_duration = cast(runs.c.finished_at, BigInteger) - cast(runs.c.started_at, BigInteger)
TOOK_OF_RUNS = (
    select(func.coalesce(capped_sum(_duration), 0))
    .where(
        runs.c.session_number == sessions.c.number,
        runs.c.started_at >= 0,
        runs.c.finished_at >= runs.c.started_at,
        runs.c.finished_at < STARTED_BEFORE,
    )
    .correlate(sessions)
    .scalar_subquery()
)
"""The durations of all ended runs of a session; a run with a damaged moment counts 0."""

DERIVED_OF_SESSIONS: dict[str, ColumnElement[Any]] = {
    "state": STATE_OF_NEWEST_RUN,
    "attention": ATTENTION_OF_NEWEST_RUN,
    "took_microseconds": TOOK_OF_RUNS,
    "host": HOST_OF_NEWEST_RUN,
}
"""The derived columns of a session, in a statement that has only the session."""

"""Counting usage: the facts of model requests, and the sums of runs and sessions.

A run reports its model requests one by one, and the agent reports a total at the end of a turn. The
total replaces the requests that were reported before it. They are stored as details of the total
and not added to it. A run that was stopped or lost may have reported requests without a total.

Each request counts once over all sessions. If several sessions report it, it belongs to the session
that made it: a copy of that session reports it as inherited.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, select, update

from agent_session_manager.domain.events.model_request import (
    COUNTS,
    DETAILS,
    ModelRequest,
    Price,
    PriceOf,
)
from agent_session_manager.domain.sessions.session import Usage
from agent_session_manager.sql.database.inserts import insert_rows
from agent_session_manager.sql.schema.rows import (
    USAGE_COLUMNS,
    optional_moment,
    or_nearest,
    to_microseconds,
)
from agent_session_manager.sql.schema.tables import usage_facts
from agent_session_manager.sql.write.derived.sums import Sums

_KEYS_AT_ONCE = 1000
_OF_KEYS = select(usage_facts).where(
    usage_facts.c.request_key.in_(bindparam("keys", expanding=True))
)
_UNCOVERED = select(usage_facts).where(
    usage_facts.c.session_number == bindparam("number"),
    usage_facts.c.run.in_(bindparam("runs", expanding=True)),
    ~usage_facts.c.covered,
)
_CHANGED = ("session_number", "run", "covered", "inherited", "occurred_at", *DETAILS, *COUNTS) + (
    "cost_nanodollars", "cost_source", "prices_as_of",
)  # fmt: skip
_NEW = tuple(f"new_{name}" for name in _CHANGED)
_RAISE = (
    update(usage_facts)
    .where(usage_facts.c.request_key == bindparam("of"))
    .values({name: bindparam(new) for name, new in zip(_CHANGED, _NEW, strict=True)})
)


def unpriced(_: ModelRequest) -> None:
    """Return no price: the cost of every request is unknown unless its agent reports it."""


class UsageTold(NamedTuple):
    """The usage of one model request, or a total of the run."""

    number: int
    """Number of the session."""
    run: int
    usage: Usage | ModelRequest
    is_covered: bool = False
    """True if the run has a total that includes the request."""
    is_imported: bool = False
    """True if a person imports it. Otherwise it has no effect on requests of other sessions."""


@dataclass
class _Fact:
    number: int
    run: int
    request: ModelRequest
    price: Price | None
    is_covered: bool
    is_new: bool = False
    is_changed: bool = False

    @property
    def share(self) -> Usage:
        """The share in the sums of its run, if no total covers it."""
        own = self.request.cost_nanodollars
        if own is None and self.price is not None:
            own = self.price.nanodollars
        return self.request.usage(own)


Counts = dict[str, int]


@dataclass
class Counted:
    """The effect of usage on the sums."""

    added: dict[tuple[int, int], Counts] = field(
        default_factory=lambda: defaultdict(lambda: dict.fromkeys(USAGE_COLUMNS, 0))
    )
    """The difference for each session number and run. It is negative if a total is less than the
    requests that it replaces."""
    with_total: set[tuple[int, int]] = field(default_factory=set)
    """The session numbers and runs for which the agent has reported a total."""
    new_requests: int = 0
    """Number of model requests that no session had reported before."""

    def add(self, number: int, run: int, usage: Usage, *, sign: int = 1) -> None:
        counts = self.added[number, run]
        for name in USAGE_COLUMNS:
            counts[name] += sign * getattr(usage, name)


def count_usage(
    connection: Connection, told: Sequence[UsageTold], *, sums: Sums | None, price_of: PriceOf
) -> Counted:
    """Store the usage of the requests, and return the effect on the sums of runs and sessions.

    `sums` is None if the caller notes the new facts.
    """
    counted = Counted()
    if not told:
        return counted
    known = _known_facts(connection, told)
    requests = {each.usage.key for each in told if isinstance(each.usage, ModelRequest)}
    if sums is not None:
        sums.note_facts(requests & known.keys())
        sums.note_new_facts(requests - known.keys())
    counted.new_requests = len(requests - known.keys())
    for each in told:
        if isinstance(each.usage, ModelRequest):
            _count_request(each, each.usage, known, counted, price_of)
        else:
            _count_total(each, each.usage, known, counted)
    _keep(connection, known)
    return counted


def _count_total(told: UsageTold, total: Usage, known: dict[str, _Fact], counted: Counted) -> None:
    counted.add(told.number, told.run, total)
    counted.with_total.add((told.number, told.run))
    for fact in known.values():
        if (fact.number, fact.run) == (told.number, told.run) and not fact.is_covered:
            counted.add(fact.number, fact.run, fact.share, sign=-1)
            fact.is_covered = fact.is_changed = True


def _count_request(
    told: UsageTold,
    request: ModelRequest,
    known: dict[str, _Fact],
    counted: Counted,
    price_of: PriceOf,
) -> None:
    fact = known.get(request.key)
    if fact is None:
        fact = _Fact(
            told.number, told.run, request, price_of(request), told.is_covered, is_new=True
        )
        known[request.key] = fact
        if not fact.is_covered:
            counted.add(fact.number, fact.run, fact.share)
        return
    is_elsewhere = fact.number != told.number
    if is_elsewhere and not told.is_imported:
        return
    raised = fact.request.raised_to(request)
    if raised == fact.request:
        return
    if not fact.is_covered:
        counted.add(fact.number, fact.run, fact.share, sign=-1)
    if is_elsewhere and fact.request.is_inherited and not request.is_inherited:
        fact.number, fact.run, fact.is_covered = told.number, told.run, told.is_covered
    fact.request, fact.price, fact.is_changed = raised, price_of(raised), True
    if not fact.is_covered:
        counted.add(fact.number, fact.run, fact.share)


def _known_facts(connection: Connection, told: Sequence[UsageTold]) -> dict[str, _Fact]:
    keys: dict[str, None] = {}
    runs_with_total: dict[int, dict[int, None]] = defaultdict(dict)
    for each in told:
        if isinstance(each.usage, ModelRequest):
            keys[each.usage.key] = None
        else:
            runs_with_total[each.number][each.run] = None
    found: list[Row[Any]] = []
    for some in _in_chunks(list(keys)):
        found += connection.execute(_OF_KEYS, {"keys": some})
    for number, runs in runs_with_total.items():
        found += connection.execute(_UNCOVERED, {"number": number, "runs": list(runs)})
    return {row.request_key: _to_fact(row) for row in found}


def _in_chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        yield keys[start : start + _KEYS_AT_ONCE]


def _to_fact(row: Row[Any]) -> _Fact:
    values = row._mapping
    is_own_figure = row.cost_source == _AGENT
    return _Fact(
        row.session_number,
        row.run,
        ModelRequest(
            key=row.request_key,
            counts=dict(_known(values, COUNTS)),
            cost_nanodollars=row.cost_nanodollars if is_own_figure else None,
            occurred_at=or_nearest(optional_moment, row.occurred_at, None),
            details=dict(_known(values, DETAILS)),
            is_inherited=row.inherited,
        ),
        _to_price(row) if row.cost_source == _TABLE else None,
        is_covered=row.covered,
    )


def _to_price(row: Row[Any]) -> Price:
    """Return the stored price. A damaged date becomes the earliest date."""
    as_of = or_nearest(date.fromisoformat, row.prices_as_of, date.min)
    return Price(nanodollars=row.cost_nanodollars, as_of=as_of)


def _known(values: Any, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    return ((name, values[name]) for name in names if values[name] is not None)


_AGENT, _TABLE = "agent", "table"


def _to_values(fact: _Fact) -> tuple[Any, ...]:
    """Return the values of a fact, in the order of `_CHANGED`."""
    request, price = fact.request, fact.price
    cost: tuple[Any, ...] = (None, None, None)
    if request.cost_nanodollars is not None:
        cost = (request.cost_nanodollars, _AGENT, None)
    elif price is not None:
        cost = (price.nanodollars, _TABLE, price.as_of.isoformat())
    return (
        *(fact.number, fact.run, fact.is_covered, request.is_inherited),
        request.occurred_at and to_microseconds(request.occurred_at),
        *map(request.details.get, DETAILS),
        *map(request.counts.get, COUNTS),
        *cost,
    )


def _keep(connection: Connection, known: dict[str, _Fact]) -> None:
    inserts: list[tuple[Any, ...]] = []
    raises: list[dict[str, Any]] = []
    for key, fact in known.items():
        if fact.is_new:
            inserts.append((key, *_to_values(fact)))
        elif fact.is_changed:
            raises.append({"of": key, **dict(zip(_NEW, _to_values(fact), strict=True))})
    insert_rows(connection, usage_facts.name, ("request_key", *_CHANGED), inserts)
    if raises:
        connection.execute(_RAISE, raises)

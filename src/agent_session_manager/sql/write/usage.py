"""Counting usage: the usage of each model request, and the sums of runs and sessions.

A run reports its model requests one by one, and the agent reports a total at the end of a turn. The
total replaces the requests that were reported before it. They are stored as details of the total
and not added to it. A run that was stopped or lost may have reported requests without a total.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from agent_session_manager.domain.session import Usage
from agent_session_manager.sql.schema.rows import USAGE_COLUMNS
from agent_session_manager.sql.schema.tables import model_requests

_IDS_AT_ONCE = 1000
_KNOWN = select(model_requests).where(
    model_requests.c.session_number == bindparam("number"),
    or_(
        model_requests.c.request_id.in_(bindparam("request_ids", expanding=True)),
        model_requests.c.run.in_(bindparam("runs", expanding=True)) & ~model_requests.c.covered,
    ),
)
_RAISE = (
    update(model_requests)
    .where(
        model_requests.c.session_number == bindparam("of"),
        model_requests.c.request_id == bindparam("id"),
    )
    .values(
        covered=bindparam("is_covered"),
        **{name: bindparam("new_" + name) for name in USAGE_COLUMNS},
    )
)


class UsageTold(NamedTuple):
    """A `usage` event: the usage of one model request, or a total of the run."""

    number: int
    """Number of the session."""
    run: int
    request_id: str | None
    usage: Usage


@dataclass
class _Request:
    run: int
    usage: Usage
    is_covered: bool = False
    is_new: bool = False
    is_changed: bool = False


Counts = dict[str, int]
Added = dict[tuple[int, int], Counts]


def count_usage(connection: Connection, told: Sequence[UsageTold]) -> Added:
    """Store the usage of the requests; return the difference for each session number and run.

    The difference is negative if a total is less than the requests that it replaces.
    """
    added: Added = defaultdict(lambda: dict.fromkeys(USAGE_COLUMNS, 0))
    for number in dict.fromkeys(event.number for event in told):
        of_session = [event for event in told if event.number == number]
        known = _known_requests(connection, number, of_session)
        for event in of_session:
            if event.request_id is None:
                _count_total(event, known, added)
            else:
                _count_request(event, known, added)
        _keep(connection, number, known)
    return added


def _count_total(event: UsageTold, known: dict[str, _Request], added: Added) -> None:
    counts = added[event.number, event.run]
    _add(counts, event.usage)
    for request in known.values():
        if request.run == event.run and not request.is_covered:
            _add(counts, request.usage, sign=-1)
            request.is_covered = request.is_changed = True


def _count_request(event: UsageTold, known: dict[str, _Request], added: Added) -> None:
    assert event.request_id is not None
    request = known.get(event.request_id)
    if request is None:
        request = known[event.request_id] = _Request(event.run, event.usage, is_new=True)
        _add(added[event.number, event.run], event.usage)
        return
    raised = request.usage.raised_to(event.usage)
    if not request.is_covered:
        counts = added[event.number, request.run]
        _add(counts, raised)
        _add(counts, request.usage, sign=-1)
    request.is_changed = request.is_changed or raised != request.usage
    request.usage = raised


def _add(counts: Counts, usage: Usage, *, sign: int = 1) -> None:
    for name in USAGE_COLUMNS:
        counts[name] += sign * getattr(usage, name)


def _known_requests(
    connection: Connection, number: int, told: Sequence[UsageTold]
) -> dict[str, _Request]:
    ids = list(dict.fromkeys(event.request_id for event in told if event.request_id is not None))
    runs = list(dict.fromkeys(event.run for event in told if event.request_id is None))
    known = {}
    for start in range(0, max(1, len(ids)), _IDS_AT_ONCE):
        wanted = {"number": number, "runs": runs, "request_ids": ids[start : start + _IDS_AT_ONCE]}
        for row in connection.execute(_KNOWN, wanted):
            usage = Usage(**{name: row._mapping[name] for name in USAGE_COLUMNS})
            known[row.request_id] = _Request(row.run, usage, is_covered=row.covered)
    return known


def _keep(connection: Connection, number: int, known: dict[str, _Request]) -> None:
    inserts: list[dict[str, Any]] = []
    raises: list[dict[str, Any]] = []
    for request_id, request in known.items():
        counts = {name: getattr(request.usage, name) for name in USAGE_COLUMNS}
        if request.is_new:
            values = {"run": request.run, "covered": request.is_covered, **counts}
            inserts.append({"session_number": number, "request_id": request_id, **values})
        elif request.is_changed:
            new = {f"new_{name}": count for name, count in counts.items()}
            raises.append({"of": number, "id": request_id, "is_covered": request.is_covered, **new})
    if inserts:
        connection.execute(insert(model_requests), inserts)
    if raises:
        connection.execute(_RAISE, raises)

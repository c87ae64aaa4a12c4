"""The rows about requests whose time should not grow with the number of sessions."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median

import httpx

from benchmarks.effort import Effort
from benchmarks.filled import DAYS, manager_with
from benchmarks.measure import Row

MANY = 100_000
FEW = 1000
_REQUESTS = 5

_SINCE = (datetime.now(UTC) - timedelta(days=DAYS)).isoformat()
REQUESTS = {
    "list": ("/sessions", {"limit": "50"}),
    "filter text": ("/sessions", {"limit": "50", "text": "session {last}"}),
    "filter state": ("/sessions", {"limit": "50", "state": "lost"}),
    "order cost": ("/sessions", {"limit": "50", "sort": "cost"}),
    "usage": ("/usage", {"bucket": "day", "since": _SINCE}),
    "facets": ("/facets", {}),
}
"""The requests by their row. `{last}` is the highest number: one session has it in its name."""


def rows() -> dict[str, Callable[[Effort], Row]]:
    return {name: partial(_time, name) for name in REQUESTS}


def _time(name: str, effort: Effort) -> Row:
    path, query = REQUESTS[name]
    row = Row(
        name=name,
        what=f"GET {path} {' '.join(query)} with {MANY:,} sessions".replace("  ", " "),
        beside=f"the same with {FEW:,}",
        unit="s",
        goal=1.5,
        is_rate=False,
    )
    with ExitStack() as stack:
        ours, beside = (
            stack.enter_context(stack.enter_context(manager_with(count)).client())
            for count in (MANY, FEW)
        )
        return row.alternate(
            lambda _: _seconds(ours, path, _with_last(query, MANY)),
            lambda _: _seconds(beside, path, _with_last(query, FEW)),
            rounds=effort.rounds,
        )


def _with_last(query: dict[str, str], count: int) -> dict[str, str]:
    return {name: value.replace("{last}", str(count - 1)) for name, value in query.items()}


def _seconds(client: httpx.Client, path: str, query: dict[str, str]) -> float:
    taken = []
    for _ in range(_REQUESTS):
        begin = time.perf_counter()
        client.get(path, params=query).raise_for_status()
        taken.append(time.perf_counter() - begin)
    return median(taken)

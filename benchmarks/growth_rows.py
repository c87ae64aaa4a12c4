"""The rows about requests whose time should not grow with the number of sessions."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from statistics import median

import httpx

from agent_session_manager.domain.event import parse_event
from agent_session_manager.sql.store import open_store
from agent_session_manager.store.changes import AppendEvents, CreateSession
from benchmarks import servers
from benchmarks.effort import Effort
from benchmarks.measure import Row

MANY = 100_000
FEW = 1000
AGENTS = 5
PROJECTS = 50
DAYS = 30
_MOMENTS = 200
"""Number of moments at which sessions begin, so that both databases have the same hours."""
_REQUESTS = 5

_SINCE = (datetime.now(UTC) - timedelta(days=DAYS)).isoformat()
REQUESTS = {
    "list": ("/sessions", {"limit": "50"}),
    "filter text": ("/sessions", {"limit": "50", "text": "session 777"}),
    "filter state": ("/sessions", {"limit": "50", "state": "lost"}),
    "order cost": ("/sessions", {"limit": "50", "sort": "cost"}),
    "usage": ("/usage", {"bucket": "day", "since": _SINCE}),
    "facets": ("/facets", {}),
}


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
        ours, beside = (stack.enter_context(_manager(count)) for count in (MANY, FEW))
        return row.alternate(
            lambda _: _seconds(ours, path, query),
            lambda _: _seconds(beside, path, query),
            rounds=effort.rounds,
        )


def _seconds(client: httpx.Client, path: str, query: dict[str, str]) -> float:
    taken = []
    for _ in range(_REQUESTS):
        begin = time.perf_counter()
        client.get(path, params=query).raise_for_status()
        taken.append(time.perf_counter() - begin)
    return median(taken)


@contextmanager
def _manager(count: int) -> Iterator[httpx.Client]:
    def copy(state_dir: Path) -> None:
        for file in _filled(count).iterdir():
            shutil.copy(file, state_dir)

    with servers.manager(sessions=False, prepare=copy) as server, server.client() as client:
        yield client


@cache
def _filled(count: int) -> Path:
    """Return a directory with a database of this many sessions; it is filled once."""
    directory = tempfile.TemporaryDirectory(prefix="ao-benchmark-")
    atexit.register(directory.cleanup)
    _fill(f"sqlite:///{directory.name}/sessions.db", count)
    return Path(directory.name)


def _fill(url: str, count: int) -> None:
    """Store finished sessions, spread evenly over the days, agents and projects."""
    begin = datetime.now(UTC) - timedelta(days=DAYS)
    moment = begin
    store = open_store(url, clock=lambda: moment)
    at_once = count // _MOMENTS
    for first in range(0, count, at_once):
        moment = begin + timedelta(days=DAYS) * first / count
        numbers = range(first, first + at_once)
        store.commit([_session(number) for number in numbers])
        store.commit([_end(number) for number in numbers])
    store.close()


def _session(number: int) -> CreateSession:
    return CreateSession(
        session_id=f"s{number}",
        session_name=f"session {number}",
        project_dir=f"/home/me/project-{number % PROJECTS}",
        agent_name=f"agent-{number % AGENTS}",
        executor="command",
    )


def _end(number: int) -> AppendEvents:
    session_id = f"s{number}"
    usage = {"input_tokens": number, "cost_microdollars": number * 7919 % 100_003}
    events = (
        {"event_type": "usage", "usage": usage},
        {"event_type": "session_stop", "exit_code": 0},
    )
    return AppendEvents(
        session_id=session_id,
        events=[parse_event(event, session_id=session_id) for event in events],
    )

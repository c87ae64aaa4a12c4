"""The rows about search: requests with both databases, and `ao-search` as a whole process."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from statistics import median, quantiles

import httpx

from agent_session_manager.sql.store import open_store
from benchmarks import servers
from benchmarks.command_rows import COMMANDS, whole_seconds
from benchmarks.effort import Effort
from benchmarks.measure import Row
from benchmarks.search_corpus import sessions
from benchmarks.search_queries import QUERIES
from tests.support.postgresql import running_server

P95_GOAL_SECONDS = 0.1
MEDIAN_GOAL_SECONDS = 0.02
_DATABASES = {"": "SQLite", " postgresql": "PostgreSQL"}


def rows() -> dict[str, Callable[[Effort], Row]]:
    return {
        f"search{figure}{database}": partial(_time, database, figure)
        for database in _DATABASES
        for figure in ("", " median")
    }


def _time(database: str, figure: str, effort: Effort) -> Row:
    goal = MEDIAN_GOAL_SECONDS if figure else P95_GOAL_SECONDS
    row = Row(
        name=f"search{figure}{database}",
        what=f"{'median' if figure else 'p95'} of GET /search, {len(QUERIES)} kinds of queries, "
        f"{effort.searched_events:,} events in {_DATABASES[database]}",
        beside=f"{goal:g} s",
        unit="s",
        goal=1.0,
        is_rate=False,
    )
    find = median if figure else _p95
    row.ours.extend(map(find, _rounds(database, effort)))
    row.limit.extend([goal] * len(row.ours))
    return row


@cache
def _rounds(database: str, effort: Effort) -> list[list[float]]:
    """Return the seconds of each request, for each round after the first."""
    with _manager(database, effort) as server, server.client() as client:
        rounds = []
        for _ in range(effort.search_rounds + 1):
            rounds.append([request_seconds(client, query) for query in QUERIES.values()])
            print(".", end="", file=sys.stderr, flush=True)
    return rounds[1:]


def request_seconds(client: httpx.Client, query: dict[str, str]) -> float:
    begin = time.perf_counter()
    client.get("/search", params=query).raise_for_status()
    return time.perf_counter() - begin


def _p95(taken: list[float]) -> float:
    return quantiles(taken, n=20)[-1]


def command_time(effort: Effort) -> Row:
    row = Row(
        name="ao-search",
        what="ao-search, whole process",
        beside='python -c "import httpx", and the request',
        unit="s",
        goal=1.6,
        is_rate=False,
    )
    query = {"q": "usual", "limit": "20"}
    search = [sys.executable, str(COMMANDS / "ao-search"), query["q"]]
    with _manager("", effort) as server, server.client() as client:
        environ = server.environ()
        return row.alternate(
            lambda _: whole_seconds(search, environ),
            lambda _: (
                whole_seconds([sys.executable, "-c", "import httpx"], environ)
                + request_seconds(client, query)
            ),
            rounds=effort.starts,
        )


@contextmanager
def _manager(database: str, effort: Effort) -> Iterator[servers.Server]:
    """Run a manager whose events are indexed."""
    count = effort.searched_events

    def fill_file(state_dir: Path) -> None:
        fill(f"sqlite:///{state_dir}/sessions.db", count)

    if not database:
        with servers.manager(sessions=False, prepare=fill_file) as server:
            yield server
        return
    with running_server() as location:
        url = location.render_as_string(hide_password=False)
        fill(url, count)
        with servers.manager(sessions=False, arguments=["--database-url", url]) as server:
            yield server


def fill(url: str, count: int) -> None:
    """Store events and index them."""
    with closing(open_store(url, clock=lambda: datetime.now(UTC))) as store:
        for new, events in sessions(count):
            store.commit([new])
            store.commit([events])
        while store.search.index_some().has_more:
            pass

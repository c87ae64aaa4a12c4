"""`python -m benchmarks.search`: fill a database, index it, and measure each kind of search.

The table has the median and the 95th percentile of each kind of request, and of all of them.
"""

from __future__ import annotations

import resource
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import click

from agent_session_manager.sql.store import SqlStore, open_store
from benchmarks import servers
from benchmarks.search_corpus import sessions
from benchmarks.search_queries import QUERIES
from benchmarks.search_rows import request_seconds

_ROUNDS = 20


@click.command()
@click.option("--events", default=1_000_000, show_default=True, help="Number of events.")
@click.option(
    "--database-url",
    help="An empty database, or one that was filled by this program before. "
    "Default: a temporary SQLite file.",
)
def main(events: int, database_url: str | None) -> None:
    """Measure how long indexing and searching take."""
    with tempfile.TemporaryDirectory(prefix="ao-benchmark-") as directory:
        url = database_url or f"sqlite:///{directory}/sessions.db"
        with closing(open_store(url, clock=lambda: datetime.now(UTC))) as store:
            if not store.search.index_some().through:
                _fill(store, events)
            _index(store)
        for file in sorted(Path(directory).glob("sessions.db*")):
            print(f"{file.name:24} {file.stat().st_size / 1e6:10.1f} MB")
        _measure(url)


def _fill(store: SqlStore, count: int) -> None:
    begin = time.perf_counter()
    for new, events in sessions(count):
        store.commit([new])
        store.commit([events])
    print(f"filled: {count:,} events in {time.perf_counter() - begin:.1f} s")


def _index(store: SqlStore) -> None:
    first = store.search.index_some()
    begin, processor = time.perf_counter(), time.process_time()
    last = first
    while last.has_more:
        last = store.search.index_some()
    count = last.through - first.through
    if count:
        taken, used = time.perf_counter() - begin, time.process_time() - processor
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"indexed: {count / taken:,.0f} events/s, {count / used:,.0f} per second of CPU")
        print(f"memory of the process, most: {memory:.0f} MB")


def _measure(url: str) -> None:
    every = []
    print(f"\n{'query':32} {'median':>9} {'p95':>9} {'hits':>6} {'looked at':>10}")
    with (
        servers.manager(sessions=False, arguments=["--database-url", url]) as server,
        server.client() as client,
    ):
        for name, query in QUERIES.items():
            taken = [request_seconds(client, query) for _ in range(_ROUNDS)]
            every += taken
            page = client.get("/search", params=query).json()
            looked_at = f"{page['considered']:,}" + ("" if page["complete"] else " part")
            print(f"{name:32} {_figures(taken)} {len(page['hits']):6} {looked_at:>10}")
    print(f"{'all':32} {_figures(every)}")


def _figures(taken: list[float]) -> str:
    return f"{median(taken) * 1000:6.1f} ms {quantiles(taken, n=20)[-1] * 1000:6.1f} ms"


if __name__ == "__main__":
    main()

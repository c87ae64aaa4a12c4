"""`python -m benchmarks.search`: fill a database, index it, and measure searches.

The texts have words of a Zipf distribution, and planted words in a known share of the events. The
table has the median and the 95th percentile of each kind of query.
"""

from __future__ import annotations

import random
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import click

from agent_session_manager.domain.event import parse_event
from agent_session_manager.search.query import parse_query
from agent_session_manager.sql.store import SqlStore, open_store
from agent_session_manager.store.changes import AppendEvents, CreateSession
from agent_session_manager.store.queries import SessionFilter
from agent_session_manager.store.search import Search, SearchSort

_VOCABULARY = 50_000
_WORDS = 60
_EVENTS_OF_SESSION = 500
_EVENTS_AT_ONCE = 500
_PROJECTS = 20
_ROUNDS = 40
_PLANTED = {"rare": 0.0001, "seldom": 0.01, "common": 0.1, "often": 0.3, "usual": 0.6}
_LETTERS = "etaoinshrdlucmfwypvbgk"

QUERIES: dict[str, tuple[str, dict[str, Any]]] = {
    "0.01 %": ("rare", {}),
    "1 %": ("seldom", {}),
    "10 %": ("common", {}),
    "30 %": ("often", {}),
    "60 %": ("usual", {}),
    "no event": ("absent", {}),
    "60 % and 30 %": ("usual often", {}),
    "60 % and 0.01 %": ("usual rare", {}),
    "60 % without 30 %": ("usual -often", {}),
    "impossible": ("usual -usual", {}),
    "phrase": ('"usual often"', {}),
    "prefix of 3": ("usu*", {}),
    "prefix of 4": ("comm*", {}),
    "60 % by session": ("usual", {"by_session": True}),
    "60 % in one session": ("usual", {"sessions": SessionFilter(session_id="s7")}),
    "60 % in one project": ("usual", {"sessions": SessionFilter(project_dir="/p/7")}),
    "0.01 % in one project": ("rare", {"sessions": SessionFilter(project_dir="/p/7")}),
    "60 %, best": ("usual", {"sort": SearchSort.BEST}),
    "10 %, best": ("common", {"sort": SearchSort.BEST}),
    "0.01 %, best": ("rare", {"sort": SearchSort.BEST}),
}


@click.command()
@click.option("--events", default=200_000, show_default=True, help="Number of events.")
@click.option("--database-url", help="An empty database; default: a temporary SQLite file.")
def main(events: int, database_url: str | None) -> None:
    """Measure how long indexing and searching take."""
    with tempfile.TemporaryDirectory(prefix="ao-benchmark-") as directory:
        url = database_url or f"sqlite:///{directory}/sessions.db"
        with closing(open_store(url, clock=lambda: datetime.now(UTC))) as store:
            _fill(store, events)
            _index(store, events)
            for file in sorted(Path(directory).glob("sessions.db*")):
                print(f"{file.name:24} {file.stat().st_size / 1e6:10.1f} MB")
            print(f"\n{'query':24} {'p50':>9} {'p95':>9} {'hits':>6} {'looked at':>10}")
            for name, (text, filters) in QUERIES.items():
                _search(store, name, Search(query=parse_query(text), **filters))


def _fill(store: SqlStore, count: int) -> None:
    begin = time.perf_counter()
    texts = _texts(count)
    size = 0
    for first in range(0, count, _EVENTS_OF_SESSION):
        number = first // _EVENTS_OF_SESSION
        session_id = f"s{number}"
        new = CreateSession(
            session_id=session_id,
            session_name=f"session {number}",
            project_dir=f"/p/{number % _PROJECTS}",
        )
        store.commit([new])
        for _ in range(0, _EVENTS_OF_SESSION, _EVENTS_AT_ONCE):
            events = [_event(session_id, next(texts)) for _ in range(_EVENTS_AT_ONCE)]
            size += sum(len(event.fields["content"][0]["text"]) for event in events)
            store.commit([AppendEvents(session_id=session_id, events=events)])
    taken = time.perf_counter() - begin
    print(f"filled: {count:,} events, {size / count:.0f} characters each, in {taken:.1f} s")


def _event(session_id: str, text: str) -> Any:
    event = {
        "event_type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": text}],
        "timestamp": "2026-11-22T12:30:31.276153+00:00",
    }
    return parse_event(event, session_id=session_id)


def _texts(count: int) -> Iterator[str]:
    """Yield texts; the same ones in each run."""
    chance = random.Random(7)
    vocabulary = [
        "".join(chance.choices(_LETTERS, k=chance.randint(3, 9))) for _ in range(_VOCABULARY)
    ]
    weights = list(accumulate(1 / (place + 10) for place in range(_VOCABULARY)))
    for _ in range(count + _EVENTS_OF_SESSION):
        words = chance.choices(vocabulary, cum_weights=weights, k=_WORDS)
        words += [word for word, share in _PLANTED.items() if chance.random() < share]
        chance.shuffle(words)
        yield " ".join(words)


def _index(store: SqlStore, count: int) -> None:
    begin, processor = time.perf_counter(), time.process_time()
    while store.search.index_some().has_more:
        pass
    taken, used = time.perf_counter() - begin, time.process_time() - processor
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"indexed: {count / taken:,.0f} events/s, {count / used:,.0f} per second of processor")
    print(f"memory of the process, most: {memory:.0f} MB\n")


def _search(store: SqlStore, name: str, search: Search) -> None:
    taken = []
    for _ in range(_ROUNDS):
        begin = time.perf_counter()
        page = store.search.find(search, limit=20)
        taken.append((time.perf_counter() - begin) * 1000)
    p95 = quantiles(taken, n=20)[-1]
    looked_at = f"{page.considered:,}" + ("" if page.is_complete else " part")
    print(f"{name:24} {median(taken):6.1f} ms {p95:6.1f} ms {len(page.hits):6} {looked_at:>10}")


if __name__ == "__main__":
    main()

"""The rows about the dashboard: with many sessions or events, compared with few."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks import servers
from benchmarks.answers import answer
from benchmarks.effort import Effort
from benchmarks.measure import Row
from benchmarks.pages import Place, to_job
from benchmarks.workload import dump, event

FEW = 100
SESSIONS = 10_000
EVENTS = 100_000
_AT_ONCE = 1000
_SESSION_ID = "long"

_Placing = Callable[[servers.Server, int], Place]
"""Function that fills a manager with the given number, and returns the page to open."""


def first_session_time(effort: Effort) -> Row:
    row = _row("list page", f"from opening the page to the first of {SESSIONS:,} sessions")

    def place(server: servers.Server, count: int) -> Place:
        with server.client() as client:
            for number in range(count):
                new = {"session_id": f"s{number}", "session_name": f"session {number}"}
                client.post("/sessions", json=new).raise_for_status()
        return _place(server, "#/sessions", "[data-testid=session-row]")

    return _beside_little(row, effort, place, much=SESSIONS)


def first_event_time(effort: Effort) -> Row:
    row = _row("session page", f"from opening the page to the first event of {EVENTS:,}")

    def place(server: servers.Server, count: int) -> Place:
        with server.client() as client:
            new = {"session_id": _SESSION_ID, "session_name": _SESSION_ID}
            client.post("/sessions", json=new).raise_for_status()
            for start in range(0, count, _AT_ONCE):
                events = [event(_SESSION_ID) for _ in range(min(_AT_ONCE, count - start))]
                path = f"/sessions/{_SESSION_ID}/events"
                client.post(path, content=dump(events)).raise_for_status()
        return _place(server, f"#/sessions/{_SESSION_ID}", "[data-testid=event-row]")

    return _beside_little(row, effort, place, much=EVENTS)


def _row(name: str, what: str) -> Row:
    beside = f"the same with {FEW}"
    return Row(name=name, what=what, beside=beside, unit="s", goal=1.5, is_rate=False)


def _place(server: servers.Server, fragment: str, wanted: str) -> Place:
    # A row that still loads its event does not count.
    ready = f"{wanted}:not([aria-busy=true])"
    return Place(url=server.url, token=server.token, fragment=fragment, wanted=ready)


def _beside_little(row: Row, effort: Effort, place: _Placing, *, much: int) -> Row:
    with ExitStack() as stack:
        ours, beside = (stack.enter_context(servers.manager(sessions=False)) for _ in range(2))
        job = to_job(place(ours, much), place(beside, FEW), effort.page_rounds)
        lines = answer("benchmarks.pages", job, servers.clean_environ()).splitlines()
    for line in lines[1:]:  # the first is the warm-up
        measured = json.loads(line)
        row.ours.append(measured[0])
        row.limit.append(measured[1])
    return row

"""The rows that are about the dashboard: much in it, beside little in it."""

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
"""Fills a manager with so much, and says where to look."""


def first_session_time(effort: Effort) -> Row:
    row = Row(
        name="list page",
        what=f"from opening the page to the first of {SESSIONS:,} sessions",
        beside=f"the same with {FEW}",
        unit="s",
        goal=1.5,
        is_rate=False,
    )

    def place(server: servers.Server, count: int) -> Place:
        with server.client() as client:
            for number in range(count):
                new = {"session_id": f"s{number}", "session_name": f"session {number}"}
                client.post("/sessions", json=new).raise_for_status()
        return _place(server, "#/sessions", "[data-testid=session-row]")

    return _beside_little(row, effort, place, much=SESSIONS)


def first_event_time(effort: Effort) -> Row:
    row = Row(
        name="session page",
        what=f"from opening the page to the first event of {EVENTS:,}",
        beside=f"the same with {FEW}",
        unit="s",
        goal=1.5,
        is_rate=False,
    )

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


def _place(server: servers.Server, fragment: str, wanted: str) -> Place:
    # A row that waits for its event is no event yet.
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

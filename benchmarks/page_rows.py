"""The rows about the dashboard: opening it, scrolling in it, and seeing new events in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, partial

from benchmarks import servers
from benchmarks.answers import answer
from benchmarks.effort import Effort
from benchmarks.filled import manager_with
from benchmarks.measure import Row
from benchmarks.page_use import Use
from benchmarks.pages import Place, to_job
from benchmarks.workload import dump, event

FEW = 100
SESSIONS = 50_000
EVENTS = 100_000
_AT_ONCE = 1000
_SESSION_ID = "long"


@dataclass(frozen=True, kw_only=True)
class _InUse:
    """A figure of `page_use`, and its limit."""

    figure: str
    what: str
    limit: float
    unit: str = "s"
    is_list: bool = False


_IN_USE = {
    "list task": _InUse(
        figure="longest",
        what=f"the longest task while {SESSIONS:,} sessions are scrolled",
        limit=0.05,
        is_list=True,
    ),
    "list frames": _InUse(
        figure="fps",
        what=f"frames while {SESSIONS:,} sessions are scrolled",
        limit=60,
        unit="frames/s",
        is_list=True,
    ),
    "session task": _InUse(
        figure="longest", what=f"the longest task while {EVENTS:,} events are scrolled", limit=0.05
    ),
    "session frames": _InUse(
        figure="fps",
        what=f"frames while {EVENTS:,} events are scrolled",
        limit=60,
        unit="frames/s",
    ),
    "session scripts": _InUse(
        figure="scripts_mb", what="scripts that show a session", limit=0.7, unit="MB"
    ),
    "event shown": _InUse(
        figure="shown",
        what=f"from an append to a session of {EVENTS:,} events until the page has drawn it",
        limit=0.1,
    ),
}


def rows() -> dict[str, Callable[[Effort], Row]]:
    return {
        "list page": first_session_time,
        "session page": first_event_time,
        **{name: partial(_in_use, name) for name in _IN_USE},
    }


def first_session_time(effort: Effort) -> Row:
    what = f"from opening the page to the first of {SESSIONS:,} sessions"
    return _beside_little(_opening("list page", what), effort, _list, much=SESSIONS)


def first_event_time(effort: Effort) -> Row:
    what = f"from opening the page to the first event of {EVENTS:,}"
    return _beside_little(_opening("session page", what), effort, _session, much=EVENTS)


def _opening(name: str, what: str) -> Row:
    beside = f"the same with {FEW}"
    return Row(name=name, what=what, beside=beside, unit="s", goal=1.2, is_rate=False)


@contextmanager
def _list(count: int) -> Iterator[Place]:
    with manager_with(count) as server:
        yield _place(server, "#/sessions", "[data-testid=session-row]")


@contextmanager
def _session(count: int) -> Iterator[Place]:
    with servers.manager(sessions=False) as server:
        with server.client() as client:
            new = {"session_id": _SESSION_ID, "session_name": _SESSION_ID}
            client.post("/sessions", json=new).raise_for_status()
            for start in range(0, count, _AT_ONCE):
                events = [event(_SESSION_ID) for _ in range(min(_AT_ONCE, count - start))]
                path = f"/sessions/{_SESSION_ID}/events"
                client.post(path, content=dump(events)).raise_for_status()
        yield _place(server, f"#/sessions/{_SESSION_ID}", "[data-testid=event-row]")


def _place(server: servers.Server, fragment: str, wanted: str) -> Place:
    # A row that still loads its event does not count.
    ready = f"{wanted}:not([aria-busy=true])"
    return Place(url=server.url, token=server.token, fragment=fragment, wanted=ready)


def _beside_little(
    row: Row,
    effort: Effort,
    place: Callable[[int], AbstractContextManager[Place]],
    *,
    much: int,
) -> Row:
    with place(much) as ours, place(FEW) as beside:
        job = to_job(ours, beside, effort.page_rounds)
        lines = answer("benchmarks.pages", job, servers.clean_environ()).splitlines()
    for line in lines[1:]:  # the first is the warm-up
        measured = json.loads(line)
        row.ours.append(measured[0])
        row.limit.append(measured[1])
    return row


def _in_use(name: str, effort: Effort) -> Row:
    wanted = _IN_USE[name]
    is_rate = wanted.figure == "fps"
    row = Row(
        name=name,
        what=wanted.what,
        beside=f"{wanted.limit:g} {wanted.unit}",
        unit=wanted.unit,
        goal=0.95 if is_rate else 1.0,
        is_rate=is_rate,
    )
    for figures in _figures(wanted.is_list, wanted.figure == "shown", effort):
        row.ours.append(figures[wanted.figure])
        row.limit.append(wanted.limit)
    return row


@cache
def _figures(is_list: bool, is_growing: bool, effort: Effort) -> list[dict[str, float]]:
    """Use a page, and return the figures of each round; several rows show figures of one use."""
    with _list(SESSIONS) if is_list else _session(EVENTS) as place:
        grows = _SESSION_ID if is_growing else ""
        use = Use(place=place, rounds=effort.page_rounds, grows=grows)
        lines = answer("benchmarks.page_use", use.to_json(), servers.clean_environ()).splitlines()
    return [json.loads(line) for line in lines[1:]]  # the first is the warm-up

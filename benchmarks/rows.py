"""The rows of the table: the measured value, the limit to compare with, and the goal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

from benchmarks import servers
from benchmarks.answers import answer
from benchmarks.command_rows import detach_time, status_time
from benchmarks.effort import Effort
from benchmarks.following import Job as Follow
from benchmarks.growth_rows import rows as growth_rows
from benchmarks.load import Job
from benchmarks.measure import Row
from benchmarks.memory_rows import manager_memory, supervisor_memory
from benchmarks.page_rows import first_event_time, first_session_time
from benchmarks.workload import session_ids

FOLLOWERS = 100
FOLLOWED_EVENTS_PER_SECOND = 1000


def append_rate(effort: Effort) -> Row:
    row = Row(
        name="append",
        what="acknowledged single-event appends, 16 connections",
        beside="bare Starlette handler, same group commit",
        unit="events/s",
        goal=0.95,
    )
    return _under_load(row, effort, limit="bare", requests=effort.requests_per_session, events=1)


def list_rate(effort: Effort) -> Row:
    row = Row(
        name="lists",
        what="acknowledged events in lists of 100",
        beside="reference: Starlette and sqlite3",
        unit="events/s",
        goal=0.85,
    )
    return _under_load(
        row, effort, limit="reference", requests=effort.lists_per_session, events=100
    )


def _under_load(row: Row, effort: Effort, *, limit: str, requests: int, events: int) -> Row:
    def rate(server: servers.Server, number: int) -> float:
        job = Job(
            round=number,
            port=server.port,
            token=server.token,
            requests_per_session=requests,
            events_per_request=events,
        )
        return float(answer("benchmarks.load", job.to_json(), servers.clean_environ()))

    with ExitStack() as stack:
        ours = stack.enter_context(servers.manager())
        beside = stack.enter_context(servers.limit(limit))
        return row.alternate(
            lambda number: rate(ours, number),
            lambda number: rate(beside, number),
            rounds=effort.rounds,
        )


def client_rate(effort: Effort) -> Row:
    row = Row(
        name="client",
        what="SessionClient.add_event, one after the other",
        beside="bare pooled httpx.Client, same bytes",
        unit="calls/s",
        goal=0.95,
    )
    with servers.manager() as server:
        job = {
            "url": server.url,
            "token": server.token,
            "rounds": effort.rounds,
            "events": effort.client_events,
        }
        lines = answer("benchmarks.client", json.dumps(job), server.environ()).splitlines()
    pairs: Iterator[tuple[float, float]] = map(json.loads, lines[1:])  # the first is the warm-up
    for ours, limit in pairs:
        row.ours.append(ours)
        row.limit.append(limit)
    return row


def follow_time(effort: Effort) -> Row:
    row = Row(
        name="follow",
        what="from commit to 100 followers at 1,000 events/s, 99th percentile",
        beside="bare asyncio fan-out of the same bytes",
        unit="s",
        goal=1.5,
        is_rate=False,
    )

    def latency(server: servers.Server, number: int) -> float:
        job = Follow(
            port=server.port,
            token=server.token,
            session_id=session_ids(number)[0],
            after_seq=0,
            followers=FOLLOWERS,
            events_per_second=FOLLOWED_EVENTS_PER_SECOND,
            seconds=effort.follow_seconds,
        )
        return float(answer("benchmarks.following", job.to_json(), servers.clean_environ()))

    with servers.manager() as server, ExitStack() as stack:
        return row.alternate(
            lambda number: latency(server, number),
            # A new one for each round: it numbers the events of all sessions together.
            lambda number: latency(stack.enter_context(servers.limit("fan_out")), number),
            rounds=effort.follow_rounds,
        )


ROWS: Mapping[str, Callable[[Effort], Row]] = {
    "append": append_rate,
    "lists": list_rate,
    "client": client_rate,
    "status": status_time,
    "detach": detach_time,
    "follow": follow_time,
    "list page": first_session_time,
    "session page": first_event_time,
    **growth_rows(),
    "manager memory": manager_memory,
    "supervisor memory": supervisor_memory,
}

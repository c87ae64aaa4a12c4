"""The rows about the rate of appends: single events, lists, and through the client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from agent_session_manager.sql.search.sqlite.file import index_path
from benchmarks import servers
from benchmarks.answers import answer
from benchmarks.effort import Effort
from benchmarks.load import Job
from benchmarks.measure import Row


def append_rate(effort: Effort) -> Row:
    row = Row(
        name="append",
        what="acknowledged single-event appends, 16 connections",
        beside="bare Starlette handler, same group commit",
        unit="events/s",
        goal=0.95,
    )
    limit = servers.limit("append_limit")
    return _under_load(row, effort, limit, requests=effort.requests_per_session, events=1)


def list_rate(effort: Effort) -> Row:
    row = Row(
        name="lists",
        what="acknowledged events in lists of 100",
        beside="Starlette and sqlite3, same guarantees",
        unit="events/s",
        goal=0.85,
    )
    limit = servers.limit("list_limit")
    return _under_load(row, effort, limit, requests=effort.lists_per_session, events=100)


def indexed_rate(effort: Effort) -> Row:
    row = Row(
        name="append indexed",
        what="acknowledged single-event appends, while the search index follows",
        beside="the same manager, whose index cannot be written",
        unit="events/s",
        goal=0.9,
    )
    limit = servers.manager(prepare=_prevent_index)
    return _under_load(row, effort, limit, requests=effort.requests_per_session, events=1)


def _prevent_index(state_dir: Path) -> None:
    index_path(state_dir / "sessions.db").mkdir()


def _under_load(
    row: Row,
    effort: Effort,
    limit: AbstractContextManager[servers.Server],
    *,
    requests: int,
    events: int,
) -> Row:
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
        beside = stack.enter_context(limit)
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

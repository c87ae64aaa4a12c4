"""The rows of the table: what is measured, beside what, and the goal."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks import servers
from benchmarks.answers import TIMEOUT_SECONDS, answer
from benchmarks.effort import Effort
from benchmarks.following import Job as Follow
from benchmarks.load import Job
from benchmarks.measure import Row
from benchmarks.page_rows import first_event_time, first_session_time
from benchmarks.workload import session_ids

COMMAND = (
    Path(__file__).parents[1]
    / "plugins/agent-orchestrator/skills/agent-orchestrator/commands/ao-status"
)


FOLLOWERS = 100
FOLLOWED_EVENTS_PER_SECOND = 1000
FOLLOW_GOAL_SECONDS = 0.05


def append_rate(effort: Effort) -> Row:
    row = Row(
        name="append",
        what="acknowledged single-event appends, 16 connections",
        beside="bare Starlette handler, same group commit",
        unit="events/s",
        goal=0.8,
    )
    return _under_load(row, effort, limit="bare", requests=effort.requests_per_session, events=1)


def list_rate(effort: Effort) -> Row:
    row = Row(
        name="lists",
        what="acknowledged events in lists of 100",
        beside="reference: Starlette and sqlite3",
        unit="events/s",
        goal=0.8,
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
        goal=0.9,
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


def status_time(effort: Effort) -> Row:
    row = Row(
        name="status",
        what="ao-status, whole process",
        beside='python -c "import httpx"',
        unit="s",
        goal=1.6,
        is_rate=False,
        missing="" if COMMAND.exists() else "there is no ao-status yet",
    )
    if row.missing:
        return row
    with servers.manager() as server:
        environ = server.environ()
        status = [sys.executable, str(COMMAND), session_ids(0)[0]]
        importing = [sys.executable, "-c", "import httpx"]
        return row.alternate(
            lambda _: _seconds(status, environ),
            lambda _: _seconds(importing, environ),
            rounds=effort.starts,
        )


def follow_time(effort: Effort) -> Row:
    row = Row(
        name="follow",
        what="from commit to 100 followers at 1,000 events/s, 99th percentile",
        beside="50 ms",
        unit="s",
        goal=1.0,
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

    with servers.manager() as server:
        return row.alternate(
            lambda number: latency(server, number),
            lambda _: FOLLOW_GOAL_SECONDS,
            rounds=effort.follow_rounds,
        )


ROWS: Mapping[str, Callable[[Effort], Row]] = {
    "append": append_rate,
    "lists": list_rate,
    "client": client_rate,
    "status": status_time,
    "follow": follow_time,
    "list page": first_session_time,
    "session page": first_event_time,
}


def _seconds(command: list[str], environ: dict[str, str]) -> float:
    """How long a command takes. A wait with a timeout would see its end up to 50 ms late."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    watchdog = threading.Timer(TIMEOUT_SECONDS, process.kill)
    watchdog.start()
    try:
        code = process.wait()
    finally:
        watchdog.cancel()
    seconds = time.perf_counter() - started
    if code:
        raise subprocess.CalledProcessError(code, command)
    return seconds

"""Managers with many finished and indexed sessions, spread over days, agents and projects."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from agent_session_manager.domain.events.event import parse_event
from agent_session_manager.sql.store import open_store
from agent_session_manager.store.changes import AppendEvents, CreateSession
from benchmarks import servers

AGENTS = 5
PROJECTS = 50
DAYS = 30
_MOMENTS = 200
"""Number of moments at which sessions begin, so that all databases have the same hours."""


@contextmanager
def manager_with(count: int) -> Iterator[servers.Server]:
    """Start a manager with this many sessions, `s0` and so on."""

    def copy(state_dir: Path) -> None:
        for file in _filled(count).iterdir():
            shutil.copy(file, state_dir)

    with servers.manager(sessions=False, prepare=copy) as server:
        yield server


@cache
def _filled(count: int) -> Path:
    """Return a directory with a database of this many sessions; it is filled once."""
    directory = tempfile.TemporaryDirectory(prefix="ao-benchmark-")
    atexit.register(directory.cleanup)
    _fill(f"sqlite:///{directory.name}/sessions.db", count)
    return Path(directory.name)


def _fill(url: str, count: int) -> None:
    begin = datetime.now(UTC) - timedelta(days=DAYS)
    moment = begin
    store = open_store(url, clock=lambda: moment)
    at_once = max(1, count // _MOMENTS)
    for first in range(0, count, at_once):
        moment = begin + timedelta(days=DAYS) * first / count
        numbers = range(first, first + at_once)
        store.commit([_session(number) for number in numbers])
        store.commit([_end(number) for number in numbers])
    while store.search.index_some().has_more:
        pass
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

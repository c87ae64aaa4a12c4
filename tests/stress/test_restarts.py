"""The time from a manager's start to its first acknowledged append, with a large database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_session_manager.store.change import Change
from agent_session_manager.store.changes import CreateSession
from tests.store.promises.changes import appending
from tests.support.api import Api
from tests.support.campaign import Campaign, spread
from tests.support.filling import fill
from tests.support.manager import PROGRAM, RunningManager

pytestmark = pytest.mark.stress

StartManager = Callable[..., RunningManager]

EVENTS_AT_ONCE = 20
EVENT_CHARS = 1000
SESSIONS = 20
BOUND_SECONDS = 9.0
"""Three times the documented time for 1 GB, as other programs also use the machine."""


def changes(megabytes: int) -> Iterator[Change[Any]]:
    for number in range(SESSIONS):
        yield CreateSession(session_id=f"s{number}", session_name=f"s{number}")
    events = [{"event_type": "x", "text": "x" * EVENT_CHARS}] * EVENTS_AT_ONCE
    for number in range(megabytes * 1_000_000 // (EVENT_CHARS * EVENTS_AT_ONCE)):
        yield appending(f"s{number % SESSIONS}", *events)


def restarted(manager: RunningManager) -> float:
    began_at = time.monotonic()
    manager.restart()
    with Api(manager) as api:
        assert api.post("/sessions/s1/events", {"event_type": "x"}).status == 201
    return time.monotonic() - began_at


def test_restarted_manager_soon_accepts_events(
    campaign: Campaign, start_manager: StartManager, tmp_path: Path
) -> None:
    megabytes = campaign.count(short=4, long=1000)
    fill(tmp_path / "big" / "state", changes(megabytes))
    database = tmp_path / "big" / "state" / "sessions.db"
    size = database.stat().st_size
    program = (PROGRAM,) if campaign.is_long else ()  # only there its start is measured
    manager = start_manager(tmp_path / "big", program=program)
    stopped = []
    for _ in range(campaign.count(short=1, long=5)):
        manager.stop()
        stopped.append(restarted(manager))
    killed, logs = [], []
    for _ in range(campaign.count(short=1, long=5)):
        with Api(manager) as api:
            for _ in range(campaign.count(short=2, long=20)):
                many = [{"event_type": "x", "text": "x" * EVENT_CHARS}] * 900
                assert api.post("/sessions/s2/events", many).status == 201
        manager.kill()
        logs.append(database.with_name("sessions.db-wal").stat().st_size)
        killed.append(restarted(manager))
    campaign.tell(
        f"{size // 1_000_000} MB, from the start to the first acknowledged append: "
        f"after a stop {spread(stopped)}; after a kill with a WAL of {max(logs) // 1_000_000} MB "
        f"{spread(killed)}"
    )
    campaign.limit("the slowest, in seconds", max(stopped + killed), BOUND_SECONDS)

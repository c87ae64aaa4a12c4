"""A day of many agents in a few minutes: no event is lost, and memory and files do not grow."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from agent_session_manager.sql.care.verify import verify
from tests.support.api import Api
from tests.support.campaign import Campaign
from tests.support.manager import RunningManager
from tests.support.replaying import BATCH_EVENTS, Day

pytestmark = pytest.mark.stress

AGENTS = 50
THREADS = 8
MAX_DRIFT_BYTES = 20 * 1024 * 1024
MAX_WAL_BYTES = 64 * 1024 * 1024
MAX_P99_SECONDS = 0.05
LOOK_EVERY_SECONDS = 0.1
WARM_SHARE = 0.3
"""Share of a manager's life in which its memory may grow to its working size."""
RETENTION = {
    f"AGENT_ORCHESTRATOR_{what}_AFTER_DAYS": "0.01"
    for what in ("ARCHIVE", "DELETE_ARCHIVED", "DELETE_TRANSCRIPTS")
}
"""Retention runs all day, and must not touch active sessions."""


class Watch:
    """Samples of the resources of one manager process."""

    def __init__(self, manager: RunningManager) -> None:
        self._process = psutil.Process(manager.pid)
        self._wal = manager.state_dir / "sessions.db-wal"
        self.memory: list[int] = []
        self.descriptors: list[int] = []
        self.wal = 0

    def look(self) -> None:
        self.memory.append(self._process.memory_info().rss)
        self.descriptors.append(self._process.num_fds())
        self.wal = max(self.wal, self._wal.stat().st_size)

    @property
    def drift(self) -> int:
        """Growth of memory from the end of the warm-up to the end."""
        warm = int(len(self.memory) * WARM_SHARE)
        tenth = max(1, len(self.memory) // 10)
        end, begin = self.memory[-tenth:], self.memory[warm : warm + tenth]
        return int(statistics.median(end) - statistics.median(begin))


def live(day: Day, manager: RunningManager, batches: int, *, reconnects: int) -> Watch:
    watch = Watch(manager)
    day.start(batches, reconnects=reconnects)
    while day.is_running:
        watch.look()
        day.wait(LOOK_EVERY_SECONDS)
    day.wait()
    watch.look()
    return watch


def test_long_day_loses_nothing_and_memory_is_stable(
    campaign: Campaign, start_manager: Callable[..., RunningManager]
) -> None:
    events = campaign.count(short=2500, long=2_200_000)
    restarts = campaign.count(short=1, long=24)
    reconnects = campaign.count(short=20, long=300)
    manager = start_manager(variables=RETENTION)
    ids = [f"agent-{number}" for number in range(AGENTS)]
    with Api(manager) as api:
        for session_id in ids:
            fresh = {"session_id": session_id, "session_name": session_id}
            assert api.post("/sessions", fresh).status == 201
    day = Day(manager, ids, threads=THREADS)
    began_at = time.monotonic()
    # The first process runs longest, to show growth of memory; the later ones are restarted soon.
    half = events // BATCH_EVENTS // 2
    watches = [live(day, manager, half, reconnects=reconnects // 2)]
    for _ in range(restarts):
        day.start(half // restarts, reconnects=max(1, reconnects // 2 // restarts))
        manager.restart()
        day.wait()
        watch = Watch(manager)
        watch.look()
        watches.append(watch)
    took = time.monotonic() - began_at
    assert manager.stop() == 0
    check(manager.state_dir / "sessions.db", day)
    first = watches[0]
    p99 = statistics.quantiles(day.latencies, n=100)[98]
    wal = max(watch.wal for watch in watches)
    campaign.tell(
        f"{AGENTS} agents, {day.acknowledged * BATCH_EVENTS} events, {restarts} restarts, "
        f"{day.reconnects} reconnects in {took:.0f} s: 0 lost"
    )
    campaign.tell(
        f"memory after warm-up {first.drift / 2**20:+.1f} MiB, "
        f"WAL at most {wal / 2**20:.1f} MiB, descriptors at most {max(first.descriptors)}"
    )
    assert wal <= MAX_WAL_BYTES
    middle = first.descriptors[len(first.descriptors) // 2]
    assert first.descriptors[-1] - middle <= THREADS
    campaign.limit("growth of memory, in bytes", first.drift, MAX_DRIFT_BYTES)
    campaign.limit("p99 of the acknowledgements, in seconds", p99, MAX_P99_SECONDS)


def check(database: Path, day: Day) -> None:
    """Check that all acknowledged events are stored; `verify` checks that seqs have no gap."""
    contents, problems = verify(database)
    assert problems == []
    assert contents is not None
    assert contents.events == day.acknowledged * BATCH_EVENTS

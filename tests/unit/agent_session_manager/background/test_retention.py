"""Retention, with a clock and a monotonic time that the test moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from agent_session_manager.background import retention
from agent_session_manager.background.retention import (
    LOOK_SECONDS,
    MAX_DRIFT_SECONDS,
    ROWS_AT_ONCE,
    SESSIONS_AT_ONCE,
    Retention,
    Terms,
)
from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.machine.clock import Time
from agent_session_manager.store.retention import (
    ArchiveSessions,
    DeleteArchived,
    DeleteTranscripts,
    Due,
    RetentionChange,
)
from tests.support.loops import run
from tests.support.rows import each_row

DAY = timedelta(days=1)
THREE_DAYS = 3 * 24 * 3600.0
KINDS = (ArchiveSessions, DeleteArchived, DeleteTranscripts)


@dataclass
class Kept:
    """A session without activity since `since`, with `rows` rows."""

    since: datetime
    rows: int = 10
    waits_for: str | None = None


class World:
    """A clock, a monotonic time, due sessions, and a record of the retention's changes."""

    def __init__(self, terms: Terms | None = None) -> None:
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        self.passed = 1000.0
        self.is_unavailable = False
        self.kept: dict[type[RetentionChange], dict[str, Kept]] = {kind: {} for kind in KINDS}
        self.retired: list[RetentionChange] = []
        self.retention = Retention(
            self,
            terms or Terms(archive=DAY, delete_archived=DAY, delete_transcripts=DAY),
            time=Time(clock=lambda: self.now, monotonic=lambda: self.passed),
        )

    def add(self, kind: type[RetentionChange], name: str, age: timedelta, rows: int = 10) -> None:
        self.kept[kind][name] = Kept(self.now - age, rows)

    async def find_due(
        self, change: type[RetentionChange], before: datetime, *, limit: int
    ) -> list[Due]:
        if self.is_unavailable:
            raise StoreUnavailableError("the database is unavailable")
        kept = self.kept[change]
        due = [
            Due(session_id=name, rows=one.rows)
            for name, one in kept.items()
            if one.since <= before and one.waits_for not in kept
        ]
        return due[:limit]

    async def retire(self, change: RetentionChange) -> list[str]:
        self.retired.append(change)
        for name in change.session_ids:
            del self.kept[type(change)][name]
        return list(change.session_ids)

    def look(self, seconds: float = LOOK_SECONDS, *, clock: float | None = None) -> list[str]:
        """Let `seconds` pass, run retention once, and return the ids of the changed sessions."""
        self.passed += seconds
        self.now += timedelta(seconds=seconds if clock is None else clock)
        before = len(self.retired)
        run(self.retention.look())
        return [name for change in self.retired[before:] for name in change.session_ids]


@pytest.fixture
def started() -> World:
    """Return a world after the first run of retention."""
    world = World()
    assert world.look(0) == []
    return world


@each_row("kind", KINDS)
def test_session_is_retired_only_if_due_in_two_runs(
    kind: type[RetentionChange],
) -> None:
    world = World()
    world.add(kind, "old", 99 * DAY)
    world.add(kind, "due within the hour", DAY - timedelta(minutes=30))
    world.add(kind, "young", timedelta())
    assert world.look(0) == []
    assert world.look() == ["old"]
    assert world.look() == ["due within the hour"]
    assert world.retention.counts[kind] == 2
    assert set(world.kept[kind]) == {"young"}


@each_row("jump", [THREE_DAYS, 3600.0, -THREE_DAYS, MAX_DRIFT_SECONDS + 1])
def test_clock_change_retires_no_session_at_once(started: World, jump: float) -> None:
    started.add(DeleteArchived, "recently used", timedelta())
    for _ in range(3):
        assert started.look() == []
    assert started.look(clock=LOOK_SECONDS + jump) == []


def test_clock_jump_corrected_within_an_hour_deletes_nothing(
    started: World,
) -> None:
    started.add(DeleteArchived, "young", timedelta())
    assert started.look(clock=LOOK_SECONDS + THREE_DAYS) == []
    assert started.look(clock=LOOK_SECONDS - THREE_DAYS) == []
    assert started.look() == []
    assert started.kept[DeleteArchived] != {}


def test_clock_jump_deletes_without_the_drift_check(
    started: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unsafe variant trusts its clock."""
    monkeypatch.setattr(retention, "MAX_DRIFT_SECONDS", float("inf"))
    started.add(DeleteArchived, "young", timedelta())
    started.look(clock=LOOK_SECONDS + THREE_DAYS)
    assert started.look(clock=LOOK_SECONDS - THREE_DAYS) == ["young"]


def test_retention_waits_another_hour_after_a_sleep(started: World) -> None:
    started.add(ArchiveSessions, "old", 99 * DAY)
    assert started.look(LOOK_SECONDS, clock=THREE_DAYS) == []
    assert started.look() == ["old"]


def test_runs_in_quick_succession_do_not_count(started: World) -> None:
    started.add(ArchiveSessions, "old", 99 * DAY)
    for _ in range(10):
        assert started.look(60) == []
    assert started.look() == ["old"]


def test_only_configured_terms_apply() -> None:
    world = World(Terms(delete_archived=DAY))
    for kind in KINDS:
        world.add(kind, kind.__name__, 99 * DAY)
    assert world.look(0) == []
    assert world.look() == ["DeleteArchived"]
    assert not Terms().are_set
    assert Terms(delete_transcripts=DAY).are_set


def test_batches_are_small_and_a_large_session_is_alone(started: World) -> None:
    for number in range(SESSIONS_AT_ONCE + 1):
        started.add(DeleteArchived, f"small {number}", 9 * DAY, rows=1)
    started.add(DeleteArchived, "large", 9 * DAY, rows=100 * ROWS_AT_ONCE)
    for number in range(3):
        started.add(DeleteArchived, f"half {number}", 9 * DAY, rows=ROWS_AT_ONCE // 2)
    assert len(started.look()) == SESSIONS_AT_ONCE + 5
    assert [len(change.session_ids) for change in started.retired] == [SESSIONS_AT_ONCE, 1, 1, 2, 1]


def test_parent_is_retired_in_the_same_run_as_its_last_child(
    started: World, caplog: pytest.LogCaptureFixture
) -> None:
    started.add(ArchiveSessions, "parent", 9 * DAY)
    started.kept[ArchiveSessions]["parent"].waits_for = "child"
    started.add(ArchiveSessions, "child", 9 * DAY)
    with caplog.at_level("INFO"):
        assert started.look() == ["child", "parent"]
    assert started.retention.counts[ArchiveSessions] == 2
    assert "archived sessions: child" in caplog.text
    assert "1, 2 since the start" in caplog.text


def test_failed_change_is_repeated_in_the_next_run(started: World) -> None:
    started.add(ArchiveSessions, "old", 99 * DAY)
    started.is_unavailable = True
    with pytest.raises(StoreUnavailableError):
        started.look()
    started.is_unavailable = False
    assert started.look() == ["old"]

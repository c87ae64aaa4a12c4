"""Retention, in a world whose clock and time the test moves."""

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
    """A session that was left alone at `since`, with so many rows."""

    since: datetime
    rows: int = 10
    waits_for: str | None = None


class World:
    """A clock, the time that passes, what is due, and what retention made of it."""

    def __init__(self, terms: Terms | None = None) -> None:
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        self.passed = 1000.0
        self.is_away = False
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
        if self.is_away:
            raise StoreUnavailableError("the database is away")
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
        """Whom a look after so many seconds touches, where the clock moves as much or by else."""
        self.passed += seconds
        self.now += timedelta(seconds=seconds if clock is None else clock)
        before = len(self.retired)
        run(self.retention.look())
        return [name for change in self.retired[before:] for name in change.session_ids]


@pytest.fixture
def started() -> World:
    """It has looked once; from here on an hour is enough."""
    world = World()
    assert world.look(0) == []
    return world


@each_row("kind", KINDS)
def test_first_look_touches_nothing_and_the_second_what_was_due_at_both(
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
def test_clock_that_is_set_costs_nobody_anything_at_once(started: World, jump: float) -> None:
    started.add(DeleteArchived, "in use until a moment ago", timedelta())
    for _ in range(3):
        assert started.look() == []
    assert started.look(clock=LOOK_SECONDS + jump) == []


def test_clock_that_jumps_three_days_and_is_set_right_within_the_hour_deletes_nothing(
    started: World,
) -> None:
    started.add(DeleteArchived, "young", timedelta())
    assert started.look(clock=LOOK_SECONDS + THREE_DAYS) == []
    assert started.look(clock=LOOK_SECONDS - THREE_DAYS) == []
    assert started.look() == []
    assert started.kept[DeleteArchived] != {}


def test_without_the_look_at_the_time_that_passed_a_jump_would_delete(
    started: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unsafe variant: it believes its clock."""
    monkeypatch.setattr(retention, "MAX_DRIFT_SECONDS", float("inf"))
    started.add(DeleteArchived, "young", timedelta())
    started.look(clock=LOOK_SECONDS + THREE_DAYS)
    assert started.look(clock=LOOK_SECONDS - THREE_DAYS) == ["young"]


def test_machine_that_slept_waits_another_hour(started: World) -> None:
    started.add(ArchiveSessions, "old", 99 * DAY)
    assert started.look(LOOK_SECONDS, clock=THREE_DAYS) == []
    assert started.look() == ["old"]


def test_looks_that_follow_one_another_too_soon_are_no_hour(started: World) -> None:
    started.add(ArchiveSessions, "old", 99 * DAY)
    for _ in range(10):
        assert started.look(60) == []
    assert started.look() == ["old"]


def test_only_what_is_asked_for_is_done() -> None:
    world = World(Terms(delete_archived=DAY))
    for kind in KINDS:
        world.add(kind, kind.__name__, 99 * DAY)
    assert world.look(0) == []
    assert world.look() == ["DeleteArchived"]
    assert not Terms().are_set
    assert Terms(delete_transcripts=DAY).are_set


def test_batches_are_small_and_a_large_session_goes_by_itself(started: World) -> None:
    for number in range(SESSIONS_AT_ONCE + 1):
        started.add(DeleteArchived, f"small {number}", 9 * DAY, rows=1)
    started.add(DeleteArchived, "large", 9 * DAY, rows=100 * ROWS_AT_ONCE)
    for number in range(3):
        started.add(DeleteArchived, f"half {number}", 9 * DAY, rows=ROWS_AT_ONCE // 2)
    assert len(started.look()) == SESSIONS_AT_ONCE + 5
    assert [len(change.session_ids) for change in started.retired] == [SESSIONS_AT_ONCE, 1, 1, 2, 1]


def test_parent_goes_in_the_same_look_as_its_last_child(
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


def test_what_could_not_be_done_is_done_at_the_next_look(started: World) -> None:
    started.add(ArchiveSessions, "old", 99 * DAY)
    started.is_away = True
    with pytest.raises(StoreUnavailableError):
        started.look()
    started.is_away = False
    assert started.look() == ["old"]

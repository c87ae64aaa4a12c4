"""Automatic backups, with a clock and a monotonic time that the test moves."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent_session_manager.background.backups import (
    LOOK_SECONDS,
    RETRY_SECONDS,
    BackupFailedError,
    Backups,
)
from agent_session_manager.machine.clock import Time
from agent_session_manager.machine.discovery import DiscoveryError
from tests.support.loops import run
from tests.support.rows import each_row

HOUR = 3600.0
DAY = 24 * HOUR


class World:
    """A clock, a monotonic time, and a disk that may be full."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "backups"
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        self.passed = 1000.0
        self.is_full = False
        self.tries = 0
        self.start()

    def start(self) -> None:
        """Start the backups again, with only the files on the disk as state."""
        self.backups = Backups(
            self.directory,
            "sessions",
            back_up=self.back_up,
            every=timedelta(days=1),
            kept=3,
            time=Time(clock=lambda: self.now, monotonic=lambda: self.passed),
        )

    async def back_up(self, file: Path) -> str:
        self.tries += 1
        if self.is_full:
            raise BackupFailedError("the disk is full")
        _make(file)
        return "nothing"

    def look(self, seconds: float = LOOK_SECONDS, *, clock: float | None = None) -> int:
        """Let `seconds` pass, run the schedule once, and return the number of attempts."""
        self.passed += seconds
        self.now += timedelta(seconds=seconds if clock is None else clock)
        before = self.tries
        run(self.backups.look())
        return self.tries - before

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())


def _make(file: Path) -> None:
    file.touch(exist_ok=False)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_first_backup_is_named_by_time_in_a_private_directory(
    world: World,
) -> None:
    assert world.look(0) == 1
    assert world.names == ["sessions-20261122T120000Z.db"]
    assert stat.S_IMODE(world.directory.stat().st_mode) == 0o700


def test_backups_are_periodic_and_only_the_newest_are_kept(
    world: World,
) -> None:
    assert world.look(0) == 1
    assert world.look(DAY - 1) == 0
    assert world.look(1) == 1
    assert [world.look(DAY) for _ in range(3)] == [1, 1, 1]
    assert world.names == [f"sessions-202611{day}T120000Z.db" for day in (24, 25, 26)]


def test_start_makes_no_backup_if_the_newest_is_recent(world: World) -> None:
    world.look(0)
    world.start()
    assert world.look(HOUR) == 0
    assert world.look(DAY) == 1


@each_row("jump", [-30 * DAY, 30 * DAY])
def test_clock_change_neither_stops_nor_deletes_backups(world: World, jump: float) -> None:
    for _ in range(4):
        world.look(DAY)
    assert world.look(HOUR, clock=jump) == 0
    made = [world.look(DAY) for _ in range(3)]
    assert made == [1, 1, 1]
    assert f"sessions-{world.now:%Y%m%dT%H%M%SZ}.db" in world.names
    assert len(world.names) == 3
    world.start()
    assert world.look(2 * DAY) == 1


def test_failed_backup_is_retried_and_deletes_no_older_one(
    world: World,
) -> None:
    for _ in range(3):
        world.look(DAY)
    before = world.names
    world.is_full = True
    with pytest.raises(BackupFailedError):
        world.look(DAY)
    assert world.look() == 0
    with pytest.raises(BackupFailedError):
        world.look(RETRY_SECONDS)
    assert (world.names, world.backups.failures) == (before, 2)
    world.is_full = False
    assert world.look(RETRY_SECONDS) == 1
    assert len(world.names) == 3
    assert world.backups.made == 4


def test_files_of_other_programs_are_kept(world: World) -> None:
    world.look(0)
    others = ["notes.txt", "sessions-before-the-move.db", "sessions-monday.db", "other-1Z.db"]
    for name in others:
        (world.directory / name).write_text("precious")
    for _ in range(5):
        world.look(DAY)
    assert set(others) <= set(world.names)
    assert len(world.names) == 3 + len(others)


def test_partial_file_of_a_killed_backup_is_removed(world: World) -> None:
    world.look(0)
    left = world.directory / ".sessions-20261122T110000Z.db.abcd1234.partial"
    left.touch()
    world.look(DAY)
    assert not left.exists()


def test_directory_open_to_others_is_refused(world: World) -> None:
    world.directory.mkdir(mode=0o755)
    world.directory.chmod(0o755)
    with pytest.raises(DiscoveryError):
        world.look()
    assert (world.names, world.backups.failures) == ([], 1)

"""The reaper, in a world whose clock and time the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from agent_session_manager.background.reaper import MAX_DRIFT_SECONDS, TICK_SECONDS, Reaper
from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.machine.clock import Time
from agent_session_manager.store.changes import ExtendLeases, ReapLeases
from tests.support.loops import run

TERM = timedelta(seconds=45)
THREE_DAYS = 3 * 24 * 3600.0


class World:
    """A clock, the time that passes, a database with one lease, and what was made of it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        self.passed = 1000.0
        self.expiry: datetime | None = self.now - timedelta(seconds=1)
        self.is_away = False
        self.failures = 0
        self.looks = 0
        self.commits: list[type] = []
        self.looked = asyncio.Event()
        time = Time(clock=lambda: self.now, monotonic=lambda: self.passed)
        self.reaper = Reaper(self, time=time)

    def let_pass(self, seconds: float, *, clock: float | None = None) -> None:
        """Let time pass, and the clock move by as much or by something else."""
        self.passed += seconds
        self.now += timedelta(seconds=seconds if clock is None else clock)

    def tick(self, seconds: float = TICK_SECONDS, *, clock: float | None = None) -> list[type]:
        """What is committed by a look after so many seconds."""
        self.let_pass(seconds, clock=clock)
        before = len(self.commits)
        run(self.reaper.tick(TICK_SECONDS))
        return self.commits[before:]

    async def extend_leases(self, by: timedelta | None = None) -> int:
        self._look()
        self.commits.append(ExtendLeases)
        if self.expiry is not None:
            full = self.now + TERM
            self.expiry = full if by is None else min(self.expiry + by, full)
        return 1

    async def reap_leases(self) -> list[str]:
        self._look()
        self.commits.append(ReapLeases)
        self.expiry = None
        return ["s"]

    async def next_expiry(self) -> datetime | None:
        self._look()
        return self.expiry

    def _look(self) -> None:
        self.looks += 1
        self.looked.set()
        if self.is_away:
            self.failures += 1
            raise StoreUnavailableError("the database is away")


@pytest.fixture
def started() -> World:
    """Every lease has had its first term; from here on silence counts."""
    world = World()
    assert world.tick(0) == [ExtendLeases]
    return world


def test_first_look_gives_every_lease_a_term_however_long_ago_it_expired() -> None:
    world = World()
    world.expiry = world.now - timedelta(days=99)
    assert world.tick(0) == [ExtendLeases]
    assert world.tick() == []


def test_run_is_given_up_when_its_lease_expires_and_not_before(started: World) -> None:
    for _ in range(44):
        assert started.tick() == []
    assert started.tick() == [ReapLeases]
    assert started.tick() == []


def test_holder_that_renews_keeps_its_run_for_days(started: World) -> None:
    for _ in range(1000):
        started.expiry = started.now + TERM
        assert started.tick() == []


def test_without_a_lease_nothing_is_given_up(started: World) -> None:
    started.expiry = None
    for _ in range(100):
        assert started.tick() == []


@pytest.mark.parametrize(
    "jump", [THREE_DAYS, -THREE_DAYS, 3600.0, -3600.0, MAX_DRIFT_SECONDS + 2, -MAX_DRIFT_SECONDS]
)
def test_jump_of_the_clock_moves_every_lease_with_it(started: World, jump: float) -> None:
    for _ in range(10):
        started.tick()
    assert started.tick(clock=jump) == [ExtendLeases]
    assert started.expiry == started.now + TERM - timedelta(seconds=11)
    for _ in range(33):
        assert started.tick() == []
    assert started.tick() == [ReapLeases]


def test_clock_that_is_set_a_hundred_times_costs_nobody_a_run(started: World) -> None:
    for number in range(100):
        assert started.tick(clock=THREE_DAYS if number % 2 else -THREE_DAYS) == [ExtendLeases]


def test_clock_that_is_slewed_changes_nothing(started: World) -> None:
    for number in range(40):
        assert started.tick(1.0, clock=1.2 if number % 2 else 0.8) == []


@pytest.mark.parametrize("clock", [None, 0.0])
def test_pause_of_our_own_extends_every_lease_by_it(started: World, clock: float | None) -> None:
    """Stopped by a signal, or asleep with the machine, where only one of the two may go on."""
    for _ in range(10):
        started.tick()
    assert started.tick(3600, clock=clock) == [ExtendLeases]
    for _ in range(33):
        assert started.tick() == []
    assert started.tick() == [ReapLeases]


@pytest.mark.parametrize("late", [6.5, 7.0, 60.0, 3600.0])
def test_stalls_at_every_tick_keep_no_silent_run_for_ever(started: World, late: float) -> None:
    """In each some time passes in which the holder could be heard: a lease of that is its end."""
    ticks = 0
    while started.tick(late) == [ExtendLeases]:
        ticks += 1
        assert ticks <= TERM / timedelta(seconds=TICK_SECONDS)
        if started.expiry is not None and started.expiry <= started.now:
            assert started.tick() == [ReapLeases]
            return
    pytest.fail("a look that is late only extends")


def test_lease_has_a_full_term_at_most_after_a_stall(started: World) -> None:
    started.let_pass(30)
    started.expiry = started.now + TERM  # it was renewed before we looked
    assert started.tick(0) == [ExtendLeases]
    assert started.expiry == started.now + TERM


def test_late_tick_is_no_pause(started: World) -> None:
    for _ in range(7):
        assert started.tick(6) == []
    assert started.tick(6) == [ReapLeases]


def test_term_that_could_not_be_given_is_still_owed(started: World) -> None:
    started.is_away = True
    with pytest.raises(StoreUnavailableError):
        started.tick(clock=THREE_DAYS)
    started.is_away = False
    assert started.tick() == [ExtendLeases]


async def until(world: World, is_so: Callable[[], bool]) -> None:
    """Wait for something that comes about by a look of the reaper."""
    while not is_so():
        world.looked.clear()
        await world.looked.wait()


async def until_next_look(world: World) -> None:
    looks = world.looks
    await until(world, lambda: world.looks > looks)


def test_database_that_is_away_for_a_while_costs_nobody_a_run() -> None:
    """Nobody could renew meanwhile; the reaper's own start may be such a time too."""

    async def scenario() -> None:
        world = World()
        world.is_away = True
        watch = asyncio.create_task(world.reaper.run(tick_seconds=0))
        await until(world, lambda: world.failures == 3)
        world.is_away = False
        await until(world, lambda: world.commits == [ExtendLeases])
        world.is_away = True
        for _ in range(60):
            world.let_pass(1)
            await until_next_look(world)
        world.is_away = False
        await until(world, lambda: len(world.commits) > 1)
        assert world.expiry == world.now + TERM  # none of it had passed before
        for _ in range(9):
            world.let_pass(5)
            await until_next_look(world)
        await until(world, lambda: len(world.commits) > 2)
        assert world.commits == [ExtendLeases, ExtendLeases, ReapLeases]
        assert not watch.done()
        watch.cancel()
        await asyncio.wait({watch})
        assert watch.cancelled()

    run(scenario())

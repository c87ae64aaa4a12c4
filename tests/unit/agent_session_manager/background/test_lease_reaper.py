"""The reaper, with a clock and a monotonic time that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from agent_session_manager.background.lease_reaper import MAX_DRIFT_SECONDS, TICK_SECONDS, Reaper
from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.machine.clock import Time
from agent_session_manager.store.changes import ExtendLeases, ReapLeases
from tests.support.loops import run

TERM = timedelta(seconds=45)
THREE_DAYS = 3 * 24 * 3600.0


class World:
    """A clock, a monotonic time, a database with one lease, and a record of its changes."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        self.passed = 1000.0
        self.expiry: datetime | None = self.now - timedelta(seconds=1)
        self.is_unavailable = False
        self.failures = 0
        self.looks = 0
        self.commits: list[type] = []
        self.looked = asyncio.Event()
        time = Time(clock=lambda: self.now, monotonic=lambda: self.passed)
        self.reaper = Reaper(self, time=time)

    def let_pass(self, seconds: float, *, clock: float | None = None) -> None:
        """Let `seconds` pass, and move the clock by `clock` seconds, or by as much."""
        self.passed += seconds
        self.now += timedelta(seconds=seconds if clock is None else clock)

    def tick(self, seconds: float = TICK_SECONDS, *, clock: float | None = None) -> list[type]:
        """Let `seconds` pass, run one tick of the reaper, and return the committed changes."""
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
        if self.is_unavailable:
            self.failures += 1
            raise StoreUnavailableError("the database is unavailable")


@pytest.fixture
def started() -> World:
    """Return a world after the first tick, which gave every lease its first term."""
    world = World()
    assert world.tick(0) == [ExtendLeases]
    return world


def test_first_tick_gives_every_expired_lease_a_full_term() -> None:
    world = World()
    world.expiry = world.now - timedelta(days=99)
    assert world.tick(0) == [ExtendLeases]
    assert world.tick() == []


def test_run_is_reaped_only_after_its_lease_expires(started: World) -> None:
    for _ in range(44):
        assert started.tick() == []
    assert started.tick() == [ReapLeases]
    assert started.tick() == []


def test_holder_that_renews_keeps_its_run_for_days(started: World) -> None:
    for _ in range(1000):
        started.expiry = started.now + TERM
        assert started.tick() == []


def test_run_without_a_lease_is_never_reaped(started: World) -> None:
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


def test_hundred_clock_changes_reap_no_run(started: World) -> None:
    for number in range(100):
        assert started.tick(clock=THREE_DAYS if number % 2 else -THREE_DAYS) == [ExtendLeases]


def test_slewed_clock_changes_nothing(started: World) -> None:
    for number in range(40):
        assert started.tick(1.0, clock=1.2 if number % 2 else 0.8) == []


@pytest.mark.parametrize("clock", [None, 0.0])
def test_pause_of_the_manager_extends_every_lease(started: World, clock: float | None) -> None:
    """The process was stopped, or the machine slept: then only one of the two times may run."""
    for _ in range(10):
        started.tick()
    assert started.tick(3600, clock=clock) == [ExtendLeases]
    for _ in range(33):
        assert started.tick() == []
    assert started.tick() == [ReapLeases]


@pytest.mark.parametrize("late", [6.5, 7.0, 60.0, 3600.0])
def test_stalls_at_every_tick_do_not_keep_a_silent_run(started: World, late: float) -> None:
    """The holder can renew between stalls; after a term of such time the run is reaped."""
    ticks = 0
    while started.tick(late) == [ExtendLeases]:
        ticks += 1
        assert ticks <= TERM / timedelta(seconds=TICK_SECONDS)
        if started.expiry is not None and started.expiry <= started.now:
            assert started.tick() == [ReapLeases]
            return
    pytest.fail("late ticks only extend the lease")


def test_lease_has_at_most_a_full_term_after_a_stall(started: World) -> None:
    started.let_pass(30)
    started.expiry = started.now + TERM  # it was renewed before the tick
    assert started.tick(0) == [ExtendLeases]
    assert started.expiry == started.now + TERM


def test_slightly_late_tick_is_not_a_pause(started: World) -> None:
    for _ in range(7):
        assert started.tick(6) == []
    assert started.tick(6) == [ReapLeases]


def test_failed_extension_is_repeated_at_the_next_tick(started: World) -> None:
    started.is_unavailable = True
    with pytest.raises(StoreUnavailableError):
        started.tick(clock=THREE_DAYS)
    started.is_unavailable = False
    assert started.tick() == [ExtendLeases]


async def until(world: World, is_so: Callable[[], bool]) -> None:
    """Wait until a tick of the reaper makes a condition true."""
    while not is_so():
        world.looked.clear()
        await world.looked.wait()


async def until_next_tick(world: World) -> None:
    looks = world.looks
    await until(world, lambda: world.looks > looks)


def test_outage_of_the_database_reaps_no_run() -> None:
    """No holder could renew during the outage, which may also include the start of the reaper."""

    async def scenario() -> None:
        world = World()
        world.is_unavailable = True
        watch = asyncio.create_task(world.reaper.run(tick_seconds=0))
        await until(world, lambda: world.failures == 3)
        world.is_unavailable = False
        await until(world, lambda: world.commits == [ExtendLeases])
        world.is_unavailable = True
        for _ in range(60):
            world.let_pass(1)
            await until_next_tick(world)
        world.is_unavailable = False
        await until(world, lambda: len(world.commits) > 1)
        assert world.expiry == world.now + TERM  # a full term from the end of the outage
        for _ in range(9):
            world.let_pass(5)
            await until_next_tick(world)
        await until(world, lambda: len(world.commits) > 2)
        assert world.commits == [ExtendLeases, ExtendLeases, ReapLeases]
        assert not watch.done()
        watch.cancel()
        await asyncio.wait({watch})
        assert watch.cancelled()

    run(scenario())

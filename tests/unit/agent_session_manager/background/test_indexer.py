"""The indexer, with a manager and a time that the test controls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from agent_session_manager.background.indexer import (
    FIRST_RETRY_SECONDS,
    GATHER_SECONDS,
    LAST_RETRY_SECONDS,
    PAUSE,
    Indexer,
)
from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.machine.clock import Time
from agent_session_manager.store.search import Indexed, IndexPausedError
from tests.support.loops import run

STEP_SECONDS = 0.25


class World:
    """A record of `waiting` steps of work, and the pauses of its indexer."""

    def __init__(self, waiting: int = 0, *, failures: Sequence[Exception] = ()) -> None:
        self.waiting = waiting
        self.failures = list(failures)
        self.steps = 0
        self.commits_in_steps = 0
        self.is_apart = False
        self.large_steps = 0
        self.passed = 0.0
        self.pauses: list[float] = []
        self.is_stopping = False
        self.changed = asyncio.Event()
        self.idle = asyncio.Event()
        self.indexer = Indexer(self, time=Time(monotonic=lambda: self.passed, sleep=self._sleep))

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    @contextmanager
    def watching(self) -> Iterator[asyncio.Event]:
        self.changed = asyncio.Event()
        yield self.changed

    async def index_some(self) -> Indexed:
        self.passed += STEP_SECONDS
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        self.steps += 1
        if self.commits_in_steps:
            self.commits_in_steps -= 1
            self.changed.set()
        self.waiting = max(0, self.waiting - 1)
        if not self.waiting:
            self.idle.set()
        return Indexed(
            through=self.steps,
            has_more=self.waiting > 0,
            is_much=self.steps <= self.large_steps,
            is_apart=self.is_apart,
        )

    async def run_until_idle(self) -> None:
        task = asyncio.create_task(self.indexer.run())
        await self.idle.wait()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])


def test_waiting_work_is_done_without_pauses() -> None:
    world = World(5)
    run(world.run_until_idle())
    assert (world.steps, world.pauses) == (5, [])


def test_indexer_pauses_while_commits_continue() -> None:
    world = World(5)
    world.commits_in_steps = 2
    run(world.run_until_idle())
    assert (world.steps, world.pauses) == (5, [PAUSE * STEP_SECONDS] * 2)


def test_steps_of_another_process_only_gather_events() -> None:
    world = World(5)
    world.commits_in_steps, world.large_steps, world.is_apart = 4, 2, True
    run(world.run_until_idle())
    assert (world.steps, world.pauses) == (5, [0.0] * 2 + [GATHER_SECONDS] * 2)


def test_commit_wakes_the_indexer_after_a_moment() -> None:
    async def scenario() -> tuple[int, list[float]]:
        world = World()
        task = asyncio.create_task(world.indexer.run())
        await world.idle.wait()
        world.idle.clear()
        await asyncio.sleep(0)
        world.changed.set()
        await world.idle.wait()
        task.cancel()
        await asyncio.wait([task])
        return world.steps, world.pauses

    assert run(scenario()) == (2, [GATHER_SECONDS])


def test_failing_index_is_tried_again_less_and_less_often(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    world = World(1, failures=[StoreUnavailableError("locked")] * 8)
    run(world.run_until_idle())
    assert world.pauses[0] == FIRST_RETRY_SECONDS
    assert world.pauses[-1] == LAST_RETRY_SECONDS
    assert world.pauses == sorted(world.pauses)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


def test_log_has_each_kind_of_failure_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    failures = [*[StoreUnavailableError("locked")] * 3, *[IndexPausedError("12 MB are free")] * 3]
    world = World(1, failures=failures)
    run(world.run_until_idle())
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "INFO"]
    assert caplog.messages[1] == "the search index is paused: 12 MB are free"
    assert world.pauses == [1.0, 2.0, 4.0] * 2


def test_indexer_ends_with_the_service() -> None:
    async def scenario() -> None:
        world = World()
        world.is_stopping = True
        await world.indexer.run()

    run(scenario())

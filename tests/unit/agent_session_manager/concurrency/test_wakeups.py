from __future__ import annotations

import asyncio

from agent_session_manager.concurrency.wakeups import Wakeups
from tests.support.loops import run


def test_notify_sets_only_the_events_of_its_session() -> None:
    wakeups = Wakeups()
    with (
        wakeups.subscribe("a") as first,
        wakeups.subscribe("a") as second,
        wakeups.subscribe("b") as b,
    ):
        assert [first.is_set(), second.is_set(), b.is_set()] == [False] * 3
        wakeups.notify(["a"])
        assert [first.is_set(), second.is_set(), b.is_set()] == [True, True, False]


async def wait_for_a(wakeups: Wakeups) -> None:
    with wakeups.subscribe("a") as changed:
        await changed.wait()


def test_notify_before_the_wait_is_not_missed() -> None:
    async def scenario() -> None:
        wakeups = Wakeups()
        with wakeups.subscribe("a") as changed:
            wakeups.notify(["a"])
            await changed.wait()

    run(scenario())


def test_notify_wakes_all_waiting_tasks() -> None:
    async def scenario() -> None:
        wakeups = Wakeups()
        waiting = [asyncio.create_task(wait_for_a(wakeups)) for _ in range(100)]
        await asyncio.sleep(0)  # each task runs until it waits
        assert not any(task.done() for task in waiting)
        wakeups.notify(["a"])
        await asyncio.gather(*waiting)

    run(scenario())


def test_notify_does_not_affect_later_subscribers() -> None:
    wakeups = Wakeups()
    wakeups.notify(["a"])
    with wakeups.subscribe("a") as changed:
        assert not changed.is_set()
    with wakeups.subscribe("a") as another:
        assert not another.is_set()
    wakeups.notify(["a"])
    assert not another.is_set()


def test_last_unsubscribe_removes_the_session() -> None:
    async def scenario() -> None:
        wakeups = Wakeups()
        waiting = [asyncio.create_task(wait_for_a(wakeups)) for _ in range(2)]
        await asyncio.sleep(0)
        for left, task in enumerate(reversed(waiting)):
            assert len(wakeups._subscriptions) == 1, left
            task.cancel()
            await asyncio.wait({task})
        assert wakeups._subscriptions == {}

    run(scenario())


def test_close_wakes_waiting_tasks_and_later_waits_return() -> None:
    async def scenario() -> None:
        wakeups = Wakeups()
        with wakeups.subscribe("a") as a, wakeups.subscribe("b") as b:
            assert not wakeups.is_closed
            wakeups.close()
            await a.wait()
            await b.wait()
        assert wakeups.is_closed
        with wakeups.subscribe("c") as late:
            await late.wait()
        wakeups.close()

    run(scenario())

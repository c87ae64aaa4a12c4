from __future__ import annotations

import asyncio

from agent_session_manager.concurrency.wakeups import Bells
from tests.support.loops import run


def test_everybody_who_listens_to_a_session_hears_its_bell_and_nobody_else() -> None:
    bells = Bells()
    with bells.listening("a") as first, bells.listening("a") as second, bells.listening("b") as b:
        assert [first.is_set(), second.is_set(), b.is_set()] == [False] * 3
        bells.ring(["a"])
        assert [first.is_set(), second.is_set(), b.is_set()] == [True, True, False]


def test_bell_that_rings_before_the_wait_is_not_missed() -> None:
    async def scenario() -> None:
        bells = Bells()
        with bells.listening("a") as rung:
            bells.ring(["a"])
            await rung.wait()

    run(scenario())


def test_those_who_wait_are_woken_one_and_all() -> None:
    async def scenario() -> None:
        bells = Bells()

        async def wait() -> None:
            with bells.listening("a") as rung:
                await rung.wait()

        waiting = [asyncio.create_task(wait()) for _ in range(100)]
        await asyncio.sleep(0)  # each of them runs until it waits
        assert not any(task.done() for task in waiting)
        bells.ring(["a"])
        await asyncio.gather(*waiting)

    run(scenario())


def test_ring_is_for_those_who_listen_now() -> None:
    bells = Bells()
    bells.ring(["a"])
    with bells.listening("a") as rung:
        assert not rung.is_set()
    with bells.listening("a") as another:
        assert not another.is_set()
    bells.ring(["a"])
    assert not another.is_set()


def test_bell_is_gone_with_its_last_listener_also_when_that_is_cancelled() -> None:
    async def scenario() -> None:
        bells = Bells()

        async def wait() -> None:
            with bells.listening("a") as rung:
                await rung.wait()

        waiting = [asyncio.create_task(wait()) for _ in range(2)]
        await asyncio.sleep(0)
        for left, task in enumerate(reversed(waiting)):
            assert len(bells._listening) == 1, left
            task.cancel()
            await asyncio.wait({task})
        assert bells._listening == {}

    run(scenario())


def test_closing_wakes_those_who_wait_and_keeps_others_from_waiting() -> None:
    async def scenario() -> None:
        bells = Bells()
        with bells.listening("a") as a, bells.listening("b") as b:
            assert not bells.is_closed
            bells.close()
            await a.wait()
            await b.wait()
        assert bells.is_closed
        with bells.listening("c") as late:
            await late.wait()
        bells.close()

    run(scenario())

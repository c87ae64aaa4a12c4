"""The delivery of alerts, with a queue, targets and a time that the test controls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from agent_session_manager.alerts.outcome import Outcome, failure
from agent_session_manager.alerts.target import Target
from agent_session_manager.background.alert_delivery import (
    LOOK_SECONDS,
    RETRY_SECONDS,
    AlertDelivery,
)
from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.domain.sessions.alert import Alert, AlertState
from agent_session_manager.machine.clock import Time
from agent_session_manager.store.alerts import DropAlerts, DueAlerts, GiveUpAlerts, SettleAlert
from tests.support.loops import run
from tests.unit.agent_session_manager.alerts.samples import NOW, alert, target

DELIVERED = Outcome(answer="HTTP 200")


class World:
    """Queues of alerts by target, and the answers of the targets."""

    def __init__(self, **queues: int) -> None:
        self.targets = [target(name, target_id=name) for name in queues]
        self.queues = {
            name: [replace(alert(alert_id=f"{name}{n}"), target_id=name) for n in range(count)]
            for name, count in queues.items()
        }
        self.answers: dict[str, list[Outcome | Exception | asyncio.Event]] = {}
        self.refusals: list[Exception] = []
        """Errors of the next uses of the store."""
        self.defects: list[Exception] = []
        """Errors of the next looks at the targets."""
        self.next_at = NOW
        self.sent: list[str] = []
        self.settled: list[SettleAlert] = []
        self.given_up: list[GiveUpAlerts] = []
        self.dropped: list[DropAlerts] = []
        self.pauses: list[float] = []
        self.sending: set[str] = set()
        self.changed = asyncio.Condition()
        self.arrived = asyncio.Event()
        self.wake = asyncio.Event()
        """Ends the pauses."""

    async def note(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with self.changed:
            await self.changed.wait_for(is_so)

    def arrivals(self) -> asyncio.Event:
        return self.arrived

    def refuse(self) -> None:
        if self.refusals:
            raise self.refusals.pop(0)

    async def read_due(self, target_ids: Collection[str]) -> DueAlerts:
        self.refuse()
        heads = [queue[0] for name, queue in self.queues.items() if name in target_ids and queue]
        await self.note()
        return DueAlerts(alerts=heads, next_at=None if heads else self.next_at)

    async def settle(self, change: SettleAlert) -> AlertState | None:
        self.refuse()
        self.settled.append(change)
        for queue in self.queues.values():
            queue[:] = [each for each in queue if each.alert_id != change.alert_id]
        await self.note()
        return AlertState.DELIVERED if change.error is None else AlertState.WAITING

    async def give_up(self, change: GiveUpAlerts) -> int:
        self.refuse()
        self.given_up.append(change)
        self.queues.get(change.target_id, []).clear()
        await self.note()
        return 1

    async def drop(self, change: DropAlerts) -> None:
        self.dropped.append(change)
        await self.note()

    def known(self) -> Sequence[Target]:
        if self.defects:
            raise self.defects.pop(0)
        return self.targets

    def disable(self, target_id: str, reason: str) -> None:
        self.targets = [
            replace(each, disabled=reason) if each.target_id == target_id else each
            for each in self.targets
        ]

    async def send(self, to: Target, told: Alert) -> Outcome:
        assert to.target_id not in self.sending, "one at a time"
        self.sending.add(to.target_id)
        try:
            self.sent.append(told.alert_id)
            await self.note()
            answers = self.answers.get(to.target_id) or [DELIVERED]
            answer = answers.pop(0)
            if isinstance(answer, asyncio.Event):
                await answer.wait()
                return DELIVERED
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.sending.discard(to.target_id)
            await asyncio.shield(self.note())

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self.note()
        await self.wake.wait()

    def deliver(self, scenario: Callable[[World], Coroutine[Any, Any, None]]) -> World:
        """Deliver while a scenario runs, and end the delivery with it."""

        async def both() -> None:
            time = Time(clock=lambda: NOW, sleep=self.sleep)
            task = asyncio.create_task(AlertDelivery(self, self, self, time=time).run())
            try:
                await scenario(self)
            finally:
                task.cancel()
                await asyncio.wait([task])
            assert task.cancelled()

        run(both())
        return self


async def all_settled(world: World) -> None:
    await world.until(lambda: not any(world.queues.values()))


def test_alerts_are_sent_in_order_and_settled_once() -> None:
    world = World(a=3, b=2)
    world.deliver(all_settled)
    for name in "ab":
        assert [each for each in world.sent if each[0] == name] == sorted(
            each.alert_id for each in world.settled if each.alert_id[0] == name
        )
    assert len(world.settled) == len(world.sent) == 5


def test_hung_target_delays_no_other_target() -> None:
    async def scenario(world: World) -> None:
        released = asyncio.Event()
        world.answers["hung"] = [released]
        await world.until(lambda: not world.queues["quick"])
        assert world.sending == {"hung"}
        assert [each.alert_id for each in world.settled] == [f"quick{n}" for n in range(20)]
        released.set()
        await all_settled(world)

    World(hung=2, quick=20).deliver(scenario)


def test_arrival_is_sent_at_once() -> None:
    async def scenario(world: World) -> None:
        await world.until(lambda: bool(world.pauses))
        world.queues["a"].append(replace(alert(), target_id="a"))
        world.arrived.set()
        await all_settled(world)

    assert World(a=0).deliver(scenario).sent == ["alert_1"]


def test_delivery_sleeps_until_the_next_alert_is_due() -> None:
    async def scenario(world: World) -> None:
        for count, seconds in enumerate((-5, 7, 7000), 1):
            await world.until(partial(has_paused, count))
            world.next_at = NOW + timedelta(seconds=seconds)
            world.arrived.set()
            await world.until(partial(has_paused, count + 1))

    def has_paused(count: int) -> bool:
        return len(world.pauses) >= count

    world = World(a=0)
    assert world.deliver(scenario).pauses[1:] == [0.0, 7.0, LOOK_SECONDS]


def test_failure_is_settled_with_its_reason_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    world = World(a=4)
    world.answers["a"] = [failure("down", asked_seconds=9.0), ValueError("defect"), failure("x")]
    world.deliver(all_settled)
    told = [(each.error, each.asked_seconds) for each in world.settled]
    defect = "the manager has a defect; see its log"
    assert told == [("down", 9.0), (defect, 0.0), ("x", 0.0), (None, 0.0)]
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "INFO"]


def test_sent_alert_is_not_sent_again_while_it_cannot_be_settled() -> None:
    async def scenario(world: World) -> None:
        await world.until(lambda: bool(world.sent))
        world.wake.set()
        await all_settled(world)

    world = World(a=1)
    held = asyncio.Event()
    world.answers["a"] = [held]

    async def begin(world: World) -> None:
        await world.until(lambda: bool(world.sent))
        world.refusals = [StoreUnavailableError("locked")] * 3
        held.set()
        await world.until(lambda: RETRY_SECONDS in world.pauses)
        assert world.settled == []
        await scenario(world)

    world.deliver(begin)
    assert world.sent == ["a0"]
    assert world.pauses.count(RETRY_SECONDS) == 3


def test_unreadable_queue_is_read_again(caplog: pytest.LogCaptureFixture) -> None:
    world = World(a=1)
    world.refusals = [StoreUnavailableError("locked"), RuntimeError("defect")]
    world.wake.set()
    world.deliver(all_settled)
    assert world.pauses[:2] == [RETRY_SECONDS] * 2
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


def test_defect_of_the_first_look_does_not_end_the_delivery() -> None:
    world = World(a=1)
    world.defects = [RuntimeError("defect")]
    world.wake.set()
    assert world.deliver(all_settled).sent == ["a0"]


def test_target_that_is_gone_gets_no_more_alerts() -> None:
    async def scenario(world: World) -> None:
        await world.until(lambda: bool(world.given_up))
        world.queues["a"].append(replace(alert(alert_id="late"), target_id="a"))
        world.arrived.set()
        await world.until(lambda: not world.queues["b"])

    world = World(a=3, b=5)
    world.answers["a"] = [failure("HTTP 410 bye", is_gone=True)]
    world.deliver(scenario)
    assert [each for each in world.sent if each[0] != "b"] == ["a0"]
    (given_up,) = world.given_up
    assert given_up.target_id == "a"
    assert world.targets[0].disabled == given_up.error
    assert "HTTP 410 bye" in given_up.error


def test_alerts_of_a_removed_target_are_dropped() -> None:
    async def scenario(world: World) -> None:
        await all_settled(world)
        del world.targets[0]
        world.arrived.set()
        await world.until(lambda: len(world.dropped) == 2)
        world.disable("b", "gone")
        world.arrived.set()

    world = World(a=1, b=1).deliver(scenario)
    assert world.dropped == [DropAlerts(target_ids=[]), DropAlerts(target_ids=["a"])]


def test_alerts_of_a_disabled_target_are_given_up_at_the_start() -> None:
    world = World(a=2)
    world.disable("a", "gone")
    world.deliver(lambda world: world.until(lambda: bool(world.given_up)))
    assert (world.given_up, world.sent) == ([GiveUpAlerts(target_id="a", error="gone")], [])


def test_end_of_the_delivery_ends_its_attempts() -> None:
    world = World(a=1)
    world.answers["a"] = [asyncio.Event()]
    world.deliver(lambda world: world.until(lambda: bool(world.sending)))
    assert (world.sending, world.settled) == (set(), [])

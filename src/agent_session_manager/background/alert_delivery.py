"""Delivers alerts to their targets: at least once, in order, and one at a time for each target.

A target that fails or does not answer delays no other target. An alert is settled only after its
attempt, so a manager that ends in between sends it again with the same id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from typing import Protocol, TypeVar

from agent_session_manager.alerts.outcome import Outcome, failure
from agent_session_manager.alerts.target import Target
from agent_session_manager.alerts.targets_file import TargetsFileError
from agent_session_manager.domain.errors import OrchestratorError
from agent_session_manager.domain.sessions.alert import Alert, AlertState
from agent_session_manager.machine.clock import Time
from agent_session_manager.store.alerts import DropAlerts, DueAlerts, GiveUpAlerts, SettleAlert
from agent_shared.plurals import counted

logger = logging.getLogger(__name__)
T = TypeVar("T")

LOOK_SECONDS = 30.0
"""Time after which the file of targets is examined again, without an arrival."""
RETRY_SECONDS = 5.0
"""Pause after the store was not available."""


class Queue(Protocol):
    """The queue of alerts; see `AlertQueue`."""

    def arrivals(self) -> asyncio.Event: ...

    async def read_due(self, target_ids: Collection[str]) -> DueAlerts: ...

    async def settle(self, change: SettleAlert) -> AlertState | None: ...

    async def give_up(self, change: GiveUpAlerts) -> int: ...

    async def drop(self, change: DropAlerts) -> None: ...


class Targets(Protocol):
    """The targets of alerts; see `TargetsFile`."""

    def known(self) -> Sequence[Target]: ...

    def disable(self, target_id: str, reason: str) -> None: ...


class Sending(Protocol):
    """One attempt; see `Sender`."""

    def send(self, target: Target, alert: Alert) -> Awaitable[Outcome]: ...


class AlertDelivery:
    """A task that delivers until it is cancelled. This ends all attempts."""

    def __init__(self, queue: Queue, targets: Targets, sender: Sending, *, time: Time) -> None:
        self._queue = queue
        self._targets = targets
        self._sender = sender
        self._time = time
        self._attempts: dict[str, asyncio.Task[None]] = {}
        """The current attempt of each target that has one."""
        self._told: set[str] | None = None
        """All targets at the last look; None before the first."""
        self._failing: set[str] = set()
        """Targets whose last attempt failed: the log has only the first failure in a row."""

    async def run(self) -> None:
        arrived = self._queue.arrivals()
        is_begun = False
        try:
            while True:
                arrived.clear()
                try:
                    if not is_begun:
                        await self._give_up_disabled()
                        is_begun = True
                    pause = await self._begin_attempts(arrived)
                except OrchestratorError as exc:
                    logger.warning("the alerts could not be read: %s", exc)
                    pause = RETRY_SECONDS
                except Exception:  # a defect must not end the task
                    logger.exception("the alerts could not be read")
                    pause = RETRY_SECONDS
                await self._pause(pause, arrived)
        finally:
            attempts = list(self._attempts.values())
            for attempt in attempts:
                attempt.cancel()
            if attempts:
                await asyncio.wait(attempts)

    async def _give_up_disabled(self) -> None:
        """Give up alerts of disabled targets: the manager may have ended before it did."""
        for target in self._targets.known():
            if target.disabled:
                await self._give_up(target, target.disabled)

    async def _begin_attempts(self, arrived: asyncio.Event) -> float:
        """Begin an attempt for each target that can; return the seconds until the next look."""
        known = self._targets.known()
        await self._drop_removed({each.target_id for each in known})
        targets = {each.target_id: each for each in known if not each.disabled}
        idle = targets.keys() - self._attempts.keys()
        if not idle:
            return LOOK_SECONDS
        due = await self._queue.read_due(sorted(idle))
        for alert in due.alerts:
            attempt = asyncio.create_task(
                self._attempt(targets[alert.target_id], alert), name=f"alert to {alert.target_id}"
            )
            self._attempts[alert.target_id] = attempt
            attempt.add_done_callback(lambda done: self._end(done, arrived))
        if due.next_at is None:
            return LOOK_SECONDS
        left = (due.next_at - self._time.clock()) / timedelta(seconds=1)
        return min(max(left, 0.0), LOOK_SECONDS)

    async def _drop_removed(self, known: set[str]) -> None:
        """Delete the alerts of targets that were removed; at the start, those that are old."""
        if known != self._told:
            removed = (self._told or set()) - known
            if removed or self._told is None:
                await self._queue.drop(DropAlerts(target_ids=sorted(removed)))
            self._told = known

    def _end(self, done: asyncio.Task[None], arrived: asyncio.Event) -> None:
        self._attempts = {key: task for key, task in self._attempts.items() if task is not done}
        if not done.cancelled():
            done.result()
        arrived.set()

    async def _attempt(self, target: Target, alert: Alert) -> None:
        try:
            outcome = await self._sender.send(target, alert)
        except Exception:  # a defect must not repeat at once
            logger.exception("an alert could not be sent")
            outcome = failure("the manager has a defect; see its log")
        if outcome.is_gone:
            await self._drop(target, outcome.answer)
            return
        change = SettleAlert(
            alert_id=alert.alert_id, error=outcome.error, asked_seconds=outcome.asked_seconds
        )
        state = await self._until_done(lambda: self._queue.settle(change))
        self._log(target, alert, outcome, state)

    async def _drop(self, target: Target, answer: str) -> None:
        """Stop sending to a target that wants no more alerts."""
        reason = f"the receiver does not want alerts: {answer}"
        try:
            await asyncio.to_thread(self._targets.disable, target.target_id, reason)
        except TargetsFileError as exc:
            logger.error("target %s could not be disabled: %s", target.name, exc)
        given_up = counted(await self._give_up(target, reason), "alert")
        logger.error("target %s is disabled, and %s given up: %s", target.name, given_up, reason)

    async def _give_up(self, target: Target, reason: str) -> int:
        change = GiveUpAlerts(target_id=target.target_id, error=reason)
        return await self._until_done(lambda: self._queue.give_up(change))

    async def _until_done(self, commit: Callable[[], Awaitable[T]]) -> T:
        """Repeat a commit until the store takes it: without it, an alert would be sent again."""
        while True:
            try:
                return await commit()
            except OrchestratorError as exc:
                logger.warning("an attempt to send alerts could not be recorded: %s", exc)
                await self._time.sleep(RETRY_SECONDS)

    def _log(
        self, target: Target, alert: Alert, outcome: Outcome, state: AlertState | None
    ) -> None:
        if outcome.error is None:
            if target.target_id in self._failing:
                self._failing.discard(target.target_id)
                logger.info("target %s takes alerts again", target.name)
        elif state is AlertState.GIVEN_UP:
            session_id = alert.facts.get("session_id")
            logger.error(
                "an alert about session %s was given up: target %s failed: %s",
                session_id, target.name, outcome.error,
            )  # fmt: skip
        elif target.target_id not in self._failing:
            self._failing.add(target.target_id)
            logger.warning(
                "target %s failed, its alerts are sent again: %s", target.name, outcome.error
            )

    async def _pause(self, seconds: float, arrived: asyncio.Event) -> None:
        """Sleep until there can be something to do."""
        sleeping = asyncio.ensure_future(self._time.sleep(seconds))
        waiting = asyncio.ensure_future(arrived.wait())
        try:
            await asyncio.wait((sleeping, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waiting.cancel()

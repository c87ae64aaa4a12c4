"""Drives one run: an executor from its first event to its last, whatever ends it.

Every run ends with exactly one recorded `session_stop`: the executor's own, or the one made here
where the agent could not start, the executor has a defect, or somebody asked the run to stop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from ..events.event import Event
from ..events.prepare import create_event
from ..executors.base import Executor, ExecutorError

logger = logging.getLogger(__name__)

STOPPED_EXIT_CODE = 130
TIMEOUT_EXIT_CODE = 124
"""What `timeout(1)` ends with."""

Record = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """How a run ended, as its `session_stop` says it."""

    reason: str
    exit_code: int
    error: str | None = None


class StopOrder:
    """Whether the run is to end before its time, and why. The first order counts."""

    def __init__(self) -> None:
        self._given = asyncio.Event()
        self._then: Callable[[], None] | None = None
        self.outcome: RunOutcome | None = None

    def then(self, do: Callable[[], None]) -> None:
        """Have further stops do this, as the agent has ended."""
        self._then = do

    def stop(self) -> None:
        """Do what somebody wants of the run: that it ends, or at last its supervisor."""
        if self._then is not None:
            self._then()
        self.lose("stopped on request")

    def lose(self, why: str) -> None:
        self._give(RunOutcome(reason="stopped", exit_code=STOPPED_EXIT_CODE, error=why))

    def time_out(self, seconds: float) -> None:
        error = f"it took more than {seconds:g} s"
        self._give(RunOutcome(reason="timeout", exit_code=TIMEOUT_EXIT_CODE, error=error))

    def _give(self, outcome: RunOutcome) -> None:
        self.outcome = self.outcome or outcome
        self._given.set()

    async def wait(self) -> None:
        await self._given.wait()


async def drive(executor: Executor, prompt: str, record: Record, *, order: StopOrder) -> RunOutcome:
    """Run the executor to its end or until it is ordered to stop; then none of its run is left."""
    run = asyncio.create_task(_run(executor, prompt, record, order), name="run")
    ordered = asyncio.create_task(order.wait(), name="stop order")
    await asyncio.wait({run, ordered}, return_when=asyncio.FIRST_COMPLETED)
    ordered.cancel()
    if not run.done():
        run.cancel()
    return await run


async def _run(executor: Executor, prompt: str, record: Record, order: StopOrder) -> RunOutcome:
    outcome = None
    try:
        async with aclosing(executor.run(prompt)) as events:
            async for event in events:
                record(event)
                if event["event_type"] == "session_stop":
                    outcome = RunOutcome(
                        reason=event["reason"],
                        exit_code=event["exit_code"],
                        error=event.get("error"),
                    )
    except asyncio.CancelledError:
        if order.outcome is None:
            raise
        end = order.outcome
    except ExecutorError as exc:
        end = RunOutcome(reason="failed", exit_code=1, error=str(exc))
    except Exception as exc:  # a defect in an executor must not leave the session running
        logger.exception("the executor failed")
        end = RunOutcome(reason="failed", exit_code=1, error=f"defect in the executor: {exc!r}")
    else:
        end = RunOutcome(reason="failed", exit_code=1, error="the executor ended without an end")
    if outcome is not None:
        return outcome
    record(
        create_event("session_stop", reason=end.reason, exit_code=end.exit_code, error=end.error)
    )
    return end

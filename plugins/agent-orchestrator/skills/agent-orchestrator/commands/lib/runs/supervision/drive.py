"""Drives the executor of one run from its first event to its last.

Every run ends with exactly one recorded `session_stop`. It comes from the executor, or is made here
if the agent could not start, the executor has a defect, or the run was stopped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ...events.event import Event
from ...events.prepare import create_event
from ...executors.base import Executor, ExecutorError
from .questions import Questions

logger = logging.getLogger(__name__)

STOPPED_EXIT_CODE = 130
TIMEOUT_EXIT_CODE = 124
"""Exit code of `timeout(1)`."""

Record = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """Outcome of a run, as its `session_stop` records it."""

    reason: str
    exit_code: int
    error: str | None = None


class StopOrder:
    """Order to end the run before its time, and the reason. The first order counts."""

    def __init__(self) -> None:
        self._given = asyncio.Event()
        self._then: Callable[[], None] | None = None
        self.outcome: RunOutcome | None = None

    def then(self, do: Callable[[], None]) -> None:
        """Set the function that further stops call once the agent has ended."""
        self._then = do

    def stop(self) -> None:
        """Stop the run. If its agent has ended, also stop its supervisor."""
        if self._then is not None:
            self._then()
        self.lose("stopped on request")

    def lose(self, why: str) -> None:
        self._give(RunOutcome(reason="stopped", exit_code=STOPPED_EXIT_CODE, error=why))

    def fail(self, why: str) -> None:
        self._give(RunOutcome(reason="failed", exit_code=1, error=why))

    def time_out(self, seconds: float) -> None:
        error = f"it took more than {seconds:g} s"
        self._give(RunOutcome(reason="timeout", exit_code=TIMEOUT_EXIT_CODE, error=error))

    def _give(self, outcome: RunOutcome) -> None:
        self.outcome = self.outcome or outcome
        self._given.set()

    async def wait(self) -> None:
        await self._given.wait()


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None], order: StopOrder) -> AsyncIterator[None]:
    """Run `work` as a task while the block runs. If it fails, so does the run.

    Without it, no request could stop the run, or its lease would expire.
    """

    def note_end(ended: asyncio.Task[None]) -> None:
        failure = None if ended.cancelled() else ended.exception()
        if failure is not None:
            logger.error("a task beside the run failed", exc_info=failure)
            order.fail(f"defect in the supervisor: {failure!r}")

    task = asyncio.create_task(work, name="beside the run")
    task.add_done_callback(note_end)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def drive(
    executor: Executor,
    prompt: str,
    record: Record,
    *,
    order: StopOrder,
    questions: Questions,
) -> RunOutcome:
    """Run the executor until it ends or is stopped. No process of the run is left then.

    Open questions are cancelled first: some agents do not stop while they wait for an answer. No
    question is open after the `session_stop`.
    """

    def record_end(event: Event) -> None:
        if event["event_type"] == "session_stop":
            questions.end()
        record(event)

    run = asyncio.create_task(_run(executor, prompt, record_end, order), name="run")
    ordered = asyncio.create_task(order.wait(), name="stop order")
    await asyncio.wait({run, ordered}, return_when=asyncio.FIRST_COMPLETED)
    ordered.cancel()
    try:
        questions.end()
    finally:
        run.cancel()  # no effect if it has ended
        await asyncio.wait({run})
    return run.result()


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
        end = RunOutcome(
            reason="failed", exit_code=1, error="the executor exited without reporting a result"
        )
    if outcome is not None:
        return outcome
    record(
        create_event("session_stop", reason=end.reason, exit_code=end.exit_code, error=end.error)
    )
    return end

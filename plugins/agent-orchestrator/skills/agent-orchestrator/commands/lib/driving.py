"""Drives one run: an executor from its first event to its last, whatever ends it.

Every run ends with exactly one recorded `session_stop`: the executor's own, or the one made here
where the agent could not start, the executor has a defect, or the person asked the run to stop.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

from .executors.base import Event, Executor, ExecutorError
from .executors.events import create_event

logger = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPED_EXIT_CODE = 130

Record = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """How a run ended, as its `session_stop` says it."""

    reason: str
    exit_code: int
    error: str | None = None

    @property
    def is_completed(self) -> bool:
        return self.reason == "completed"


@contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """An event that is set when somebody asks this process to stop, in place of stopping it."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, asked.set)
    try:
        yield asked
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)


async def drive(
    executor: Executor, prompt: str, record: Record, *, stop: asyncio.Event
) -> RunOutcome:
    """Run the executor to its end, or until `stop` is set; then no process of the run is left."""
    run = asyncio.create_task(_run(executor, prompt, record), name="run")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({run, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not run.done():
        run.cancel()
    return await run


async def _run(executor: Executor, prompt: str, record: Record) -> RunOutcome:
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
        end = RunOutcome(reason="stopped", exit_code=STOPPED_EXIT_CODE, error="stopped on request")
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

"""The events of a run that is stopped while a tool of its agent works."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from agent_orchestrator.events.event import Event
from tests.support.beacon import Beacon


async def events_until_stopped(start: Callable[[str], AsyncGenerator[Event, None]]) -> list[Event]:
    """Start a run whose agent executes the given command, and cancel it while the command runs.

    No process of the run is left then.
    """
    events: list[Event] = []

    async def read(command: str) -> None:
        async with aclosing(start(command)) as stream:
            async for event in stream:
                events.append(event)

    async with Beacon.open() as beacon:
        reading = asyncio.ensure_future(read(shlex.join(beacon.command())))
        lingering = await beacon.arrival()
        reading.cancel()
        await asyncio.wait({reading})
        assert reading.cancelled()
        await lingering.gone()
    return events

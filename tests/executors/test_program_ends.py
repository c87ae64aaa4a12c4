"""Programs that are killed, cancelled or left by their children, and the output that is kept."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.program.command import CommandExecutor
from agent_orchestrator.machine.environment import RUN_MARKER
from agent_orchestrator.machine.processes import RunProcesses
from tests.commands.processes import is_alive
from tests.executors.program_events import answer_of, execution_of, joined, text_of
from tests.support.beacon import Beacon, BlockingBeacon
from tests.support.loops import run


@pytest.mark.parametrize("how", ["cancelled", "killed", "ended"])
def test_output_is_kept_however_the_run_ends(tmp_path: Path, how: str) -> None:
    """The flush interval is infinite, so only the first part is due before the end."""

    async def act() -> tuple[list[Event], bool]:
        async with Beacon.open() as beacon:
            lingering = f"{shlex.join(beacon.command())} 2>/dev/null"
            commands = f"echo one; echo two; echo three >&2; printf four; {lingering}; kill -9 $$"
            executor = CommandExecutor(
                execution_of(tmp_path, "sh", "-c", commands), flush_seconds=float("inf")
            )
            events: list[Event] = []

            async def collect() -> None:
                async for event in executor.run("hi"):
                    events.append(event)

            collecting = asyncio.create_task(collect())
            arrival = await beacon.arrival()
            if how == "cancelled":
                collecting.cancel()
            elif how == "killed":
                psutil.Process(psutil.Process(arrival.pid).ppid()).kill()
            else:
                os.kill(arrival.pid, signal.SIGKILL)
            await asyncio.wait([collecting])
            return events, collecting.cancelled()

    events, is_cancelled = run(act())
    told = {event["event_type"]: text_of(event) for event in joined(events) if "content" in event}
    assert told == {"message": "one\ntwo\nfour", "stderr": "three\n"}
    assert is_cancelled is (how == "cancelled")
    assert is_cancelled or events[-1]["event_type"] == "session_stop"


def test_output_is_kept_if_the_run_is_cancelled_while_starting(tmp_path: Path) -> None:
    """Cancels after a growing number of event-loop turns; mostly the program has written then."""

    async def act(turns: int) -> tuple[bool, list[Event]]:
        environment = {RUN_MARKER: uuid4().hex}
        events: list[Event] = []
        with BlockingBeacon.open() as beacon:
            command = f"echo one; echo two >&2; {shlex.join(beacon.command())} 2>/dev/null"
            execution = execution_of(tmp_path, "sh", "-c", command, **environment)

            async def collect() -> None:
                async for event in CommandExecutor(execution).run("hi"):
                    events.append(event)

            collecting = asyncio.create_task(collect())
            for _ in range(turns):
                await asyncio.sleep(0)
            processes = RunProcesses(None, environment[RUN_MARKER])
            if has_written := bool(processes.find()):
                beacon.meet(1)
            collecting.cancel()
            await asyncio.wait({collecting})
            assert collecting.cancelled()
            assert processes.find() == set(), turns
        return has_written, events[1:]

    expected = [("message", "one\n"), ("stderr", "two\n")]
    told: list[list[tuple[str, str]]] = []
    for turns in range(0, 18, 3):  # a start takes about twelve turns
        has_written, events = run(act(turns))
        if has_written:
            # The events come from two pipes, in either order.
            told.append(sorted((e["event_type"], text_of(e)) for e in joined(events)))
    assert told == [expected] * len(told)
    assert len(told) > 3


def test_busy_background_children_do_not_delay_the_end(tmp_path: Path) -> None:
    execution = execution_of(tmp_path, "sh", "-c", "yes & echo $!")
    executor = CommandExecutor(execution, pipe_grace_seconds=0)

    async def act() -> list[Event]:
        return joined([event async for event in executor.run("hi")])

    events = run(act())
    assert events[-1]["reason"] == "completed"
    pid = next(int(line) for line in answer_of(events).splitlines() if line.isdigit())
    assert not is_alive(pid)


def test_children_that_hold_the_output_are_stopped_after_the_end(
    tmp_path: Path,
) -> None:
    async def act() -> tuple[list[Event], bool]:
        async with Beacon.open() as beacon:
            execution = execution_of(tmp_path, *beacon.command("detached"))
            executor = CommandExecutor(execution, pipe_grace_seconds=0)
            events = [event async for event in executor.run("hi")]
            child = await beacon.arrival()
            await child.gone()
            return events, child.is_gone

    events, is_gone = run(act())
    assert (events[-1]["reason"], is_gone) == ("completed", True)


def test_background_children_without_the_output_are_left_alone(tmp_path: Path) -> None:
    async def act() -> bool:
        async with Beacon.open() as beacon:
            command = " ".join(beacon.command())
            execution = execution_of(
                tmp_path, "sh", "-c", f"{command} >/dev/null 2>&1 </dev/null &"
            )
            [event async for event in CommandExecutor(execution).run("hi")]
            return (await beacon.arrival()).is_gone

    assert run(act()) is False


@pytest.mark.parametrize(
    ("kind", "count"), [("session", 1), ("stubborn", 1), ("parent", 2), ("detached", 2)]
)
def test_promise_7_ending_early_leaves_no_process(tmp_path: Path, kind: str, count: int) -> None:
    async def act() -> bool:
        async with Beacon.open() as beacon:
            command = " ".join(beacon.command(kind))
            execution = execution_of(
                tmp_path, "sh", "-c", f"{command} & wait; {' '.join(beacon.command())}"
            )
            executor = CommandExecutor(execution)

            async def collect() -> None:
                async for _ in executor.run("hi"):
                    pass

            collecting = asyncio.create_task(collect())
            arrivals = [await beacon.arrival() for _ in range(count)]
            collecting.cancel()
            await asyncio.wait([collecting])
            for arrival in arrivals:
                await arrival.gone()
            return collecting.cancelled()

    assert run(act()) is True  # a stubborn child needs every step of the stop

"""A run of the real Claude Code that is stopped, killed, cancelled or interrupted."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent_orchestrator.claude.executor import ClaudeExecutor
from agent_orchestrator.events.event import Event
from agent_orchestrator.events.prepare import CHUNK_BYTES
from agent_orchestrator.machine.environment import RUN_MARKER
from agent_orchestrator.machine.processes import Grace
from tests.claude.both_records import compare
from tests.claude.claude_events import events_of, interrupted_call, only, stamped, text_of
from tests.claude.conftest import Claude, types_of
from tests.claude.model_usage import CALL_COST, CALL_USAGE, requests_of, totals
from tests.support.beacon import Beacon
from tests.support.loops import run
from tests.support.model_server import ModelServer, script, tool
from tests.support.waiting import WATCHDOG_SECONDS

# These tests run one after another: concurrent CLIs would only slow each other down.
pytestmark = pytest.mark.xdist_group("claude-executor")


async def kill_during_a_tool_call(claude: Claude, **changes: Any) -> list[Event]:
    claude.allow("Bash")
    async with Beacon.open() as beacon:
        call = tool("Bash", command=shlex.join(beacon.command("session")))
        events = []
        async with aclosing(claude.start(script(call), **changes)) as stream:
            async for event in stream:
                events.append(event)
                if event["event_type"] == "pre_tool":
                    lingering = await beacon.arrival()
                    cli_of(lingering.pid).kill()
        await lingering.gone()
        return events


def cli_of(pid: int) -> psutil.Process:
    """Return the CLI whose tool has started this process."""
    ours = psutil.Process().children()
    return next(parent for parent in psutil.Process(pid).parents() if parent in ours)


def test_killed_cli_fails_and_its_resume_costs_only_itself(claude: Claude) -> None:
    """A killed CLI does not store its cost, so the next one counts from an earlier total."""
    events_of(claude, script({"text": "the word is heron"}))
    events = run(kill_during_a_tool_call(claude, resume=True))
    assert types_of(events) == ["message", "pre_tool", "post_tool", "session_stop"]
    assert only(events, "post_tool")[0]["error"] == "the run ended before the tool did"
    assert stamped(events[-1]) == {
        "event_type": "session_stop",
        "exit_code": 137,
        "reason": "failed",
        "error": "Claude Code was killed by SIGKILL",
    }
    events = events_of(claude, script({"text": "resumed"}), resume=True)
    assert totals(events) == [CALL_USAGE]
    assert events[-1]["reason"] == "completed"


def test_stopped_run_reports_its_requests_and_closes_its_calls(claude: Claude) -> None:
    events = interrupted_call(claude)
    (request,) = requests_of(events).values()
    assert request["usage"]["input_tokens"] == CALL_USAGE["input_tokens"]
    # An interrupted CLI may exit before it writes its total.
    assert [total["cost_microdollars"] for total in totals(events)] in ([], [CALL_COST])
    (post_tool,) = only(events, "post_tool")
    assert post_tool["error"]
    assert only(events, "session_stop") == []  # the caller that stopped the run adds this event
    compare(claude, events)
    compare(claude, [*events, *events_of(claude, script({"text": "on"}), resume=True)])


def test_promise_7_cancelling_mid_tool_leaves_no_process(claude: Claude) -> None:
    claude.allow("Bash")

    async def act() -> list[psutil.Process]:
        async with Beacon.open() as beacon:
            detached, lingering = beacon.command("detached"), beacon.command("parent")
            command = f"{shlex.join(detached)}; {shlex.join(lingering)}"
            stream = claude.start(script(tool("Bash", command=command)))
            while (await anext(stream))["event_type"] != "pre_tool":
                pass
            arrivals = [await beacon.arrival() for _ in range(3)]
            ours = psutil.Process().children(recursive=True)
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.wait([waiting], timeout=0)
            waiting.cancel()
            await asyncio.wait([waiting])
            await stream.aclose()
            for arrival in arrivals:
                await arrival.gone()
            return [process for process in ours if is_of_the_run(process)]

    assert run(act()) == []


def is_of_the_run(process: psutil.Process) -> bool:
    try:
        return RUN_MARKER in process.environ()
    except psutil.Error:
        return False


def test_promise_7_closing_while_the_model_answers_stops_the_cli(
    claude: Claude, model: ModelServer
) -> None:
    async def act() -> list[psutil.Process]:
        stream = claude.start(script({"text": "one", "delay": 0.01}, {"text": "two"}))
        await anext(stream)
        await anext(stream)
        ours = psutil.Process().children(recursive=True)
        await stream.aclose()
        return [process for process in ours if is_of_the_run(process)]

    assert run(act()) == []


def test_cancelling_while_the_cli_starts_leaves_no_process(
    claude: Claude, fake_cli: Callable[[str], str]
) -> None:
    async def act() -> bool:
        async with Beacon.open() as beacon:
            fake = fake_cli(f"exec {shlex.join(beacon.command('parent'))}")
            stream = replace(claude, cli_path=fake).start("hi")
            await anext(stream)
            starting = asyncio.ensure_future(anext(stream))
            arrivals = [await beacon.arrival(), await beacon.arrival()]
            starting.cancel()
            await asyncio.wait([starting])
            for arrival in arrivals:
                await arrival.gone()
            return starting.cancelled()

    assert run(act()) is True


INITIALIZED = r"""read line
id=${line#*\"request_id\": \"}; id=${id%%\"*}
response="{\"subtype\": \"success\", \"request_id\": \"$id\", \"response\": {}}"
echo "{\"type\": \"control_response\", \"response\": $response}"
read line
"""
"""Shell code that answers the SDK's first request as the CLI does, and reads the prompt."""


def test_stopped_run_loses_no_message_of_the_cli(
    claude: Claude, fake_cli: Callable[[str], str], tmp_path: Path
) -> None:
    """Cancels in each event-loop turn of reading a message, while further messages follow."""
    attempts = list(range(8))
    retry = {"type": "system", "subtype": "api_retry"}
    # Each message needs its own read, so that the SDK waits instead of using its buffer.
    retries = [{**retry, "attempt": n, "padding": "x" * CHUNK_BYTES} for n in attempts]
    tokens = {"input_tokens": 11, "output_tokens": 42}
    figures = {"duration_ms": 1, "duration_api_ms": 1, "num_turns": 1, "is_error": False}
    total = {"total_cost_usd": CALL_COST / 1_000_000, "usage": tokens}
    result = {"type": "result", "subtype": "success", "session_id": "s", **figures, **total}
    said, last = tmp_path / "said", tmp_path / "last"
    said.write_text("".join(json.dumps(frame) + "\n" for frame in retries))
    last.write_text(json.dumps(result) + "\n")

    async def act(turns: int) -> list[Event]:
        events: list[Event] = []
        has_retried = asyncio.Event()

        async def read(cli_path: str) -> None:
            grace = Grace(interrupt_seconds=WATCHDOG_SECONDS)
            executor = ClaudeExecutor(claude.execution, cli_path=cli_path, grace=grace)
            async with aclosing(executor.run("hi")) as stream:
                async for event in stream:
                    events.append(event)
                    if event["event_type"] == "retry":
                        has_retried.set()

        async with Beacon.open() as beacon:
            waits = f"{shlex.join(beacon.command())} & wait"
            says = f"trap 'cat {last}; exit 0' INT; (trap '' INT; cat {said}); {waits}"
            reading = asyncio.ensure_future(read(fake_cli(f"{INITIALIZED}{says}")))
            await has_retried.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait({reading})
            assert reading.cancelled()
        return events

    for turns in range(12):
        events = run(act(turns))
        assert [event["attempt"] for event in only(events, "retry")] == attempts
        assert [told["cost_microdollars"] for told in totals(events)] == [CALL_COST]


@pytest.mark.parametrize("said", ['{"type": "user"}', '{"type": "us'])
def test_cli_with_unreadable_output_is_stopped_and_fails(
    claude: Claude, fake_cli: Callable[[str], str], said: str
) -> None:
    async def act() -> list[Event]:
        async with Beacon.open() as beacon:
            command = shlex.join(beacon.command("polite"))
            fake = fake_cli(f"{INITIALIZED}echo '{said}'; exec 1>&-; exec {command}")
            return await replace(claude, cli_path=fake).events("hi")

    stop = run(act())[-1]
    assert stop["reason"] == "failed"
    assert stop["error"].startswith("the output of Claude Code could not be read: ")


def test_cli_that_exits_early_fails_with_its_last_stderr(
    claude: Claude, fake_cli: Callable[[str], str]
) -> None:
    fake = fake_cli(f'{INITIALIZED}echo "out of memory" >&2; exit 7')
    events = events_of(replace(claude, cli_path=fake), "hi")
    assert types_of(events) == ["message", "diagnostic", "session_stop"]
    assert text_of(events[1]) == "out of memory\n"
    stop = events[-1]
    assert (stop["exit_code"], stop["reason"]) == (7, "failed")
    assert stop["error"] == (
        "Claude Code ended with exit code 7 and without a result: out of memory"
    )


def test_external_interrupt_is_a_failed_run(claude: Claude) -> None:
    claude.allow("Bash")

    async def act() -> list[Event]:
        async with Beacon.open() as beacon:
            call = tool("Bash", command=shlex.join(beacon.command()))
            events = []
            async with aclosing(claude.start(script(call))) as stream:
                async for event in stream:
                    events.append(event)
                    if event["event_type"] == "pre_tool":
                        lingering = await beacon.arrival()
                        cli_of(lingering.pid).send_signal(signal.SIGINT)
            return events

    events = run(act())
    assert (events[-1]["exit_code"], events[-1]["reason"]) == (1, "failed")

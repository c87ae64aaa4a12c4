"""Oddities of an app-server that the real one seldom shows, played by a script."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.codex.questions import USER_INPUT
from agent_orchestrator.events.event import Event
from agent_orchestrator.events.prepare import EVENT_BYTES_LIMIT
from agent_orchestrator.executors.base import ExecutorError
from agent_orchestrator.machine.processes import Grace
from tests.codex.conftest import only, text_of
from tests.codex.scripted import END, SAID, error_of, executor_of, play
from tests.support.beacon import Beacon
from tests.support.loops import run
from tests.support.rows import each_row

CALL = ["call", "c1", "exec_command", {"cmd": "ls"}]
BAD = {"message": "it broke", "codexErrorInfo": "other"}
STATUS = "thread/status/changed"


OTHER_END = {"id": "t", "status": "failed"}
OF_OTHERS = ["send", "turn/completed", {"threadId": "other", "turn": OTHER_END}]
OLD = ["send", "turn/completed", {"threadId": "THREAD", "turn": OTHER_END}]
ERROR = ["send", "error", {"threadId": "THREAD", "error": BAD, "willRetry": False}]
BROKEN = ["send", STATUS, {"threadId": "THREAD", "status": {"type": "systemError"}}]
LIMIT = {"message": "no more", "codexErrorInfo": "usageLimitExceeded"}


@each_row(
    "acts, error",
    [
        ([SAID, END], None),
        ([OF_OTHERS, SAID, END], None),
        ([OLD, SAID, END], None),
        ([END], "Codex stopped without an answer"),
        ([SAID, CALL, END], "Codex stopped without an answer"),
        ([SAID, ["end", "failed", BAD]], "it broke"),
        ([["end", "failed", LIMIT]], "no more"),
        ([SAID, ["end", "interrupted", None]], "Codex ended its turn as interrupted"),
        ([SAID, ERROR, BROKEN, END], "it broke"),
        ([SAID, ["exit", 3]], "Codex ended with exit code 3 within its turn"),
        ([SAID, CALL, ["kill", 9]], "Codex was killed by SIGKILL"),
    ],
)
def test_each_end_of_a_turn_is_told_as_it_is(
    tmp_path: Path, acts: list[list[Any]], error: str | None
) -> None:
    events = play(tmp_path, *acts)
    assert error_of(events) == error
    calls = [event["tool_use_id"] for event in only(events, "pre_tool")]
    assert [event["tool_use_id"] for event in only(events, "post_tool")] == calls


def test_garbage_and_novelties_do_no_harm(tmp_path: Path) -> None:
    garbage = ["", "no JSON", "[]", "null", '{"id": 99, "result": 1}', '{"method": 5}', "\udcff{",
               '{"method": "error"}', '{"method": "turn/completed", "params": {"turn": 5}}',
               '{"method": "item/started", "params": {"item": []}}', "[" * 9000]  # fmt: skip
    novelty = ["send", "novelty/came", {"a": [1, "THREAD"]}]
    asked = ["ask", "novelty/ask", {}]
    events = play(tmp_path, *(["raw", text] for text in garbage), novelty, asked, SAID, END)
    assert error_of(events) is None
    (update,) = only(events, "agent_update")
    assert update["method"] == "novelty/came"
    refusal = json.loads(text_of(only(events, "message")[1]))
    assert refusal["code"] == -32601


def test_messages_of_odd_forms_do_no_harm(tmp_path: Path) -> None:
    started = "mcpServer/startupStatus/updated"
    values: tuple[Any, ...] = ([], {}, 5)
    acts: list[list[Any]] = [["send", started, {"name": odd, "status": odd}] for odd in values]
    acts += [["ask", USER_INPUT, {"questions": [{"options": odd}]}] for odd in (5, True, [5])]
    events = play(tmp_path, *acts, SAID, END)
    assert error_of(events) is None
    assert only(events, "diagnostic") == []


def test_floods_and_long_lines_are_bounded(tmp_path: Path) -> None:
    size = 2 * 1024 * 1024
    call = ["call", "c1", "exec_command", {"cmd": "x" * size}]
    events = play(tmp_path, ["flood", 5_000], ["big", size], call, SAID, END)
    assert error_of(events) is None
    assert all(len(json.dumps(event)) < EVENT_BYTES_LIMIT for event in events)
    (update,), (pre_tool,) = only(events, "agent_update"), only(events, "pre_tool")
    assert (update["shortened"], pre_tool["shortened"]) == (
        {"params.text": size},
        {"tool_input.arguments": size + 11},
    )


@each_row("at_start", ['[["kill", 9]]', '[["exit", 2]]', '[["close"], ["hang"]]'])
def test_failed_start_says_so(tmp_path: Path, at_start: str) -> None:
    with pytest.raises(ExecutorError, match="Codex did not start"):
        play(tmp_path, AT_START=at_start)


def test_stop_ends_an_app_server_that_ignores_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers no interrupt, and ends neither at the end of its input nor at a signal."""
    monkeypatch.setattr("agent_orchestrator.codex.executor.INTERRUPT_SECONDS", 0.05)
    grace = Grace(interrupt_seconds=0.05, terminate_seconds=0.05)

    async def act() -> list[Event]:
        events: list[Event] = []
        executor = executor_of(tmp_path, grace=grace, ODDITIES="stubborn")
        begun = asyncio.Event()

        async def read() -> None:
            async with aclosing(
                executor.run(json.dumps([CALL, ["say", "so"], STARTED, HANG]))
            ) as s:
                async for event in s:
                    events.append(event)
                    if event["event_type"] == "agent_update":
                        begun.set()

        reading = asyncio.create_task(read())
        await begun.wait()
        reading.cancel()
        await asyncio.wait({reading})
        assert reading.cancelled()
        return events

    (post_tool,) = only(run(act()), "post_tool")
    assert post_tool["error"] == "the run ended before the tool did"


STARTED = ["send", "novelty/started", {}]
HANG = ["hang"]


def test_closed_run_leaves_no_process(tmp_path: Path) -> None:
    async def act() -> None:
        async with Beacon.open() as beacon:
            command = [*beacon.command("session"), "&"]
            stream = executor_of(tmp_path, BESIDE=" ".join(command)).run(json.dumps([HANG]))
            async for event in stream:
                if event["event_type"] == "conversation":
                    break
            lingering = await beacon.arrival()
            await stream.aclose()
            await lingering.gone()

    run(act())

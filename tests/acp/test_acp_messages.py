"""Messages while an agent works, stops, and starts that fail."""

from __future__ import annotations

import os
from contextlib import aclosing, nullcontext
from dataclasses import replace

import pytest

from agent_orchestrator.acp.executor import AcpExecutor
from agent_orchestrator.acp.presets.table import ACP
from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.base import Continuation, ExecutorError
from agent_orchestrator.machine.processes import Grace
from tests.acp.conftest import DONE, SERVE, Acp, Step, collect, of_type, text, texts
from tests.acp.test_acp_turns import serve_of, stop_of
from tests.support.loops import run
from tests.support.rows import each_row

SAY: Step = ["tell", {"method": "now"}]


async def told(acp: Acp, *steps: Step, may_wait: bool = True) -> list[Event]:
    """Return the events of a run that gets a message at the notification `now`.

    If the message may not wait, it must be refused.
    """
    executor = acp.executor(*steps)
    seen = []
    async with aclosing(executor.run("Do it.")) as events:
        async for event in events:
            seen.append(event)
            if event.get("method") == "now":
                with nullcontext() if may_wait else pytest.raises(ExecutorError, match="next turn"):
                    # It is not sure: the run can end before the agent has it.
                    assert not await executor.send("One more thing.", "m1", may_wait=may_wait)
    with pytest.raises(ExecutorError, match="accepts no messages"):
        await executor.send("Too late.", "m2")
    return seen


def test_message_waits_for_the_next_turn(acp: Acp) -> None:
    """A second prompt would cancel the first."""
    again = ["await", "session/prompt"]
    events = run(told(acp, SERVE, SAY, text("First."), DONE, again, text("Second."), DONE))
    assert texts(events) == ["First.", "Second."]
    assert stop_of(events) == ("completed", None)
    prompts = [each["prompt"][0]["text"] for each in acp.sent("session/prompt")]
    assert prompts == ["Do it.", "One more thing."]
    assert not acp.sent("session/cancel")


def test_message_that_may_not_wait_is_refused(acp: Acp) -> None:
    events = run(told(acp, SERVE, SAY, text("First."), DONE, may_wait=False))
    assert texts(events) == ["First."]
    assert stop_of(events) == ("completed", None)


def test_message_joins_the_running_turn(acp: Acp) -> None:
    acp.preset = "opencode"
    joined = ["await", "session/prompt"]
    say = text("Both.", messageId="m")
    events = run(told(acp, serve_of("opencode"), SAY, joined, say, DONE, DONE))
    assert texts(events) == ["Both."]
    assert stop_of(events) == ("completed", None)


def test_message_that_may_not_join_is_the_next_turn(acp: Acp) -> None:
    acp.preset = "opencode"
    joined, refused = ["await", "session/prompt"], ["fail", {"code": 1, "message": "Busy"}, -1]
    steps = [SAY, joined, refused, text("First.", messageId="1"), DONE]
    steps += [joined, text("Second.", messageId="2"), DONE]
    events = run(told(acp, serve_of("opencode"), *steps))
    assert texts(events) == ["First.", "Second."]
    assert stop_of(events) == ("completed", None)
    prompts = [each["prompt"][0]["text"] for each in acp.sent("session/prompt")]
    assert prompts == ["Do it.", "One more thing.", "One more thing."]


def test_lost_message_is_told(acp: Acp) -> None:
    events = run(told(acp, SERVE, SAY, ["fail", {"code": 1, "message": "Bad"}]))
    assert stop_of(events)[0] == "failed"
    assert "One more thing." in str(of_type(events, "diagnostic"))


BAD_STARTS: list[tuple[list[Step], str]] = [
    ([["note", "no network"], ["die", 9]], "did not start: no network"),
    ([["serve", {}, {"initialize": {"protocolVersion": 2}}]], "version 2"),
    ([["serve", {}, {"session/new": {"error": {"code": -32000, "message": "Log in"}}}]], "Log in"),
    ([["serve", {}, {"session/new": {}}]], "no id"),
    ([["serve"]], "has no mode 'default'"),
]


@each_row("steps, error", BAD_STARTS)
def test_start_that_fails_says_why(acp: Acp, steps: list[Step], error: str) -> None:
    """Promise 6."""
    acp.preset, acp.mode = "kimi", "acceptEdits"
    with pytest.raises(ExecutorError, match=error):
        acp.play(*steps)


def test_agent_that_cannot_resume_is_an_error(acp: Acp) -> None:
    acp.continues = Continuation(resume=True, conversation_id="c1")
    with pytest.raises(ExecutorError, match="cannot continue a conversation"):
        acp.play(SERVE)


def test_missing_program_says_how_to_get_it(acp: Acp) -> None:
    execution = acp.executor()._execution
    preset = replace(ACP, command=("no-such-agent",), how_to_install="run `get it`")
    with pytest.raises(ExecutorError, match="no-such-agent.*run `get it`"):
        run(collect(AcpExecutor(execution, preset).run("Do it.")))


def test_stop_leaves_no_process_of_an_agent_that_stays(acp: Acp) -> None:
    """Promise 7."""

    async def scenario() -> int:
        executor = acp.executor(SERVE, SAY, ["linger"])
        executor._grace = Grace(interrupt_seconds=0.0, terminate_seconds=0.0)
        async with aclosing(executor.run("Do it.")) as events:
            async for event in events:
                if event.get("method") == "now":
                    assert executor._connection is not None
                    return executor._connection._child.pid
        raise AssertionError

    with pytest.raises(ProcessLookupError):
        os.kill(run(scenario()), 0)


def test_agent_inherits_only_the_variables_of_its_preset(acp: Acp) -> None:
    acp.preset = "copilot"
    acp.environment = {"COPILOT_X": "1", "AWS_SECRET": "2", "LC_ALL": "C"}
    names = ["PATH", "COPILOT_X", "AWS_SECRET", "LC_ALL", "GH_TOKEN", "OPENAI_API_KEY"]
    executor = acp.executor()
    assert [name for name in names if executor._preset.passes(name)] == [
        "PATH", "COPILOT_X", "LC_ALL", "GH_TOKEN",
    ]  # fmt: skip

"""The real Claude Code CLI, driven by the executor, against the stand-in model on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
import uuid
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent_orchestrator.agents.agent import Agent
from agent_orchestrator.claude.executor import ClaudeExecutor
from agent_orchestrator.events.event import Event
from agent_orchestrator.events.prepare import CHUNK_BYTES, TEXT_BYTES_LIMIT
from agent_orchestrator.executors.base import ExecutorError
from agent_orchestrator.machine.environment import RUN_MARKER
from agent_orchestrator.machine.processes import Grace
from agent_orchestrator.runs.executor_table import create_executor
from tests.claude.conftest import Claude, bundled_cli, types_of
from tests.support.beacon import Beacon
from tests.support.loops import run
from tests.support.model_server import ModelServer, script, tool
from tests.support.waiting import WATCHDOG_SECONDS

# One after another here: real CLIs at the same time would only slow each other down.
pytestmark = pytest.mark.xdist_group("claude-executor")

CALL_COST = 6284
"""Microdollars that the CLI computes for one call of the stand-in, at list price."""
CALL_USAGE = {
    "input_tokens": 11,
    "output_tokens": 42,
    "cache_read_tokens": 2000,
    "cache_creation_tokens": 1000,
    "cost_microdollars": CALL_COST,
}


def events_of(claude: Claude, prompt: str, **changes: Any) -> list[Event]:
    return run(claude.events(prompt, **changes))


def error_of(claude: Claude, prompt: str, **changes: Any) -> tuple[list[Event], str]:
    """Run until the executor says that the agent cannot be started."""

    async def act() -> tuple[list[Event], str]:
        events = []
        with pytest.raises(ExecutorError) as caught:
            async with aclosing(claude.start(prompt, **changes)) as stream:
                async for event in stream:
                    events.append(event)
        return events, str(caught.value)

    return run(act())


def only(events: list[Event], event_type: str) -> list[Event]:
    return [event for event in events if event["event_type"] == event_type]


def totals(events: list[Event]) -> list[dict[str, int]]:
    """Return what Claude Code itself says that the run used, turn by turn."""
    return [event["usage"] for event in only(events, "usage") if "request_id" not in event]


def requests_of(events: list[Event]) -> dict[str, Event]:
    """Return the newest event of each model request, by its id."""
    return {e["request_id"]: e for e in only(events, "usage") if "request_id" in e}


def text_of(event: Event) -> str:
    return "".join(block["text"] for block in event["content"])


def stamped(event: Event) -> Event:
    """Return an event without what differs from run to run."""
    return {key: value for key, value in event.items() if key not in ("event_id", "timestamp")}


def conversation(request: dict[str, Any]) -> str:
    return json.dumps(request["body"]["messages"])


def test_promises_1_2_3_5_a_turn_with_thinking_text_and_a_tool_call(claude: Claude) -> None:
    claude.allow("Bash")
    first = {"thinking": "hmm", "text": "let me see", **tool("Bash", command="echo hi")}
    prompt = script(first, {"text": "done"})
    events = events_of(claude, prompt)
    assert types_of(events) == [
        "message",
        "thinking",
        "message",
        "pre_tool",
        "post_tool",
        "message",
        "usage",
        "session_stop",
    ]
    told = [stamped(event) for event in events if "request_id" not in event]
    message, thinking, text, pre_tool, post_tool, answer, usage, stop = told
    assert message == {
        "event_type": "message",
        "role": "user",
        "content": [{"type": "text", "text": prompt}],
    }
    assert thinking == {"event_type": "thinking", "content": [{"type": "text", "text": "hmm"}]}
    assert text == {
        "event_type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "let me see"}],
    }
    tool_use_id = pre_tool["tool_use_id"]
    assert pre_tool == {
        "event_type": "pre_tool",
        "tool_name": "Bash",
        "tool_input": {"command": "echo hi"},
        "tool_use_id": tool_use_id,
    }
    assert post_tool == {
        "event_type": "post_tool",
        "tool_name": "Bash",
        "tool_output": "hi",
        "tool_use_id": tool_use_id,
    }
    assert text_of(answer) == "done"
    assert usage["usage"] == {key: 2 * value for key, value in CALL_USAGE.items()}
    assert stop == {"event_type": "session_stop", "exit_code": 0, "reason": "completed"}
    assert len({event["event_id"] for event in events}) == len(events)
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    assert all(time.endswith("+00:00") for time in times)


def test_promise_2_an_event_is_told_while_the_agent_goes_on(claude: Claude) -> None:
    claude.allow("Bash")

    async def act() -> list[str]:
        async with Beacon.open() as beacon:
            call = tool("Bash", command=shlex.join(beacon.command()))
            async with aclosing(claude.start(script(call))) as events:
                told = [await anext(events), await anext(events)]
                await beacon.arrival()
                return types_of(told)

    assert run(act()) == ["message", "pre_tool"]


def test_promise_4_a_failed_tool_call_has_its_error_beside_its_output(claude: Claude) -> None:
    claude.allow("Bash")
    calls = [tool("Bash", command="echo oops >&2; exit 3"), tool("Bash", command="echo fine")]
    both = {"tools": [call["tools"][0] for call in calls]}
    events = events_of(claude, script(both, {"text": "done"}))
    started, ended = only(events, "pre_tool"), only(events, "post_tool")
    assert [event["tool_use_id"] for event in started] == [e["tool_use_id"] for e in ended]
    assert [event.get("error") for event in ended] == ["Exit code 3\noops", None]
    assert events[-1]["reason"] == "completed"


@pytest.mark.parametrize("mode", ["default", None])
def test_promise_4_a_denied_tool_call_has_its_error_and_is_seen_once_more_by_itself(
    claude: Claude, mode: str | None
) -> None:
    call = tool("Bash", command=f"{sys.executable} -c pass")
    events = events_of(claude, script(call, {"text": "so be it"}), permission_mode=mode)
    (denied,), (post_tool,) = only(events, "permission_denied"), only(events, "post_tool")
    assert (denied["tool_name"], denied["tool_use_id"]) == ("Bash", post_tool["tool_use_id"])
    assert denied["error"] == post_tool["error"]
    assert "approval" in denied["error"]
    assert events[-1]["reason"] == "completed"


@pytest.mark.parametrize(
    "agents_mode, specs_mode", [("plan", "acceptEdits"), ("acceptEdits", None)]
)
def test_the_specs_permission_mode_goes_before_the_agents(
    claude: Claude, agents_mode: str, specs_mode: str | None
) -> None:
    target = claude.spec.project_dir / "new.txt"
    call = tool("Write", file_path=str(target), content="written")
    agent = Agent(name="writer", source=Path("agent.json"), permission_mode=agents_mode)
    events_of(claude, script(call, {"text": "done"}), agent=agent, permission_mode=specs_mode)
    assert target.exists()


def test_resume_keeps_the_id_sees_the_earlier_conversation_and_costs_only_itself(
    claude: Claude, model: ModelServer
) -> None:
    first = events_of(claude, script({"text": "the word is heron"}))
    (transcript,) = claude.home.glob(f".claude/projects/*/{claude.execution.session_id}.jsonl")
    lines = [json.loads(line) for line in transcript.read_text().splitlines()]
    prompts = [line["uuid"] for line in lines if line.get("type") == "user"]
    assert prompts == [first[0]["event_id"]]  # both records know the prompt by one id
    model.forget()
    second = events_of(claude, "what was the word?", resume=True)
    (request,) = model.requests()
    assert "the word is heron" in conversation(request)
    assert request["headers"]["x-claude-code-session-id"] == claude.execution.session_id
    for events in (first, second):
        assert totals(events) == [CALL_USAGE]
        assert len(requests_of(events)) == 1
    ids = [event["event_id"] for event in [*first, *second]]
    assert len(set(ids)) == len(ids)


def test_resume_after_a_kill_works_and_still_costs_only_itself(claude: Claude) -> None:
    events_of(claude, script({"text": "the word is heron"}))
    run(kill_during_a_tool_call(claude, resume=True))
    events = events_of(claude, script({"text": "resumed"}), resume=True)
    assert totals(events) == [CALL_USAGE]
    assert events[-1]["reason"] == "completed"


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
    """Return the CLI above a process that one of its tools has started."""
    ours = psutil.Process().children()
    return next(parent for parent in psutil.Process(pid).parents() if parent in ours)


def test_a_killed_cli_is_a_failed_run_and_takes_its_tools_with_it(claude: Claude) -> None:
    events = run(kill_during_a_tool_call(claude))
    assert types_of(events) == ["message", "pre_tool", "post_tool", "session_stop"]
    assert only(events, "post_tool")[0]["error"] == "the run ended before the tool did"
    assert stamped(events[-1]) == {
        "event_type": "session_stop",
        "exit_code": 137,
        "reason": "failed",
        "error": "Claude Code was killed by SIGKILL",
    }


def test_requests_are_counted_while_the_run_goes_on(claude: Claude) -> None:
    claude.allow("Bash", "Agent", "Task")

    async def act() -> dict[str, Event]:
        """Stop the run in its last tool, once its four requests are known whole."""
        async with Beacon.open() as beacon:
            inner = script(tool("Bash", command="echo inside"), {"text": "found it"})
            calls = [
                tool("Agent", description="look", prompt=inner, subagent_type="general-purpose"),
                tool("Bash", command=shlex.join(beacon.command())),
            ]
            events: list[Event] = []
            async with aclosing(claude.start(script(*calls))) as stream:
                async for event in stream:
                    events.append(event)
                    told = requests_of(events)
                    if [r["usage"]["output_tokens"] for r in told.values()] == [42] * 4:
                        return told
        raise AssertionError(f"the run ended with {events}")

    requests = run(act())
    unknown = {"cost_microdollars": None}
    for request_id, event in requests.items():
        assert request_id.startswith("msg_")
        counted = {name: event["usage"].get(name) for name in CALL_USAGE}
        assert counted == {**CALL_USAGE, **unknown}
        assert event["model"].startswith("claude-")


def test_stopped_run_tells_its_requests_and_closes_its_calls(claude: Claude) -> None:
    claude.allow("Bash")

    async def act() -> list[Event]:
        events: list[Event] = []

        async def read(command: str) -> None:
            async with aclosing(claude.start(script(tool("Bash", command=command)))) as stream:
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

    events = run(act())
    (request,) = requests_of(events).values()
    assert request["usage"]["input_tokens"] == CALL_USAGE["input_tokens"]
    # An interrupted CLI may exit before it writes its total.
    assert [total["cost_microdollars"] for total in totals(events)] in ([], [CALL_COST])
    (post_tool,) = only(events, "post_tool")
    assert post_tool["error"]
    assert only(events, "session_stop") == []  # that is told by who stopped it


@pytest.mark.parametrize("how", ["closed", "cancelled"])
def test_promise_7_ending_mid_tool_leaves_no_process_not_even_a_detached_one(
    claude: Claude, how: str
) -> None:
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
            if how == "cancelled":
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


def test_ending_while_the_model_answers_stops_the_cli(claude: Claude, model: ModelServer) -> None:
    async def act() -> list[psutil.Process]:
        stream = claude.start(script({"text": "one", "delay": 0.01}, {"text": "two"}))
        await anext(stream)
        await anext(stream)
        ours = psutil.Process().children(recursive=True)
        await stream.aclose()
        return [process for process in ours if is_of_the_run(process)]

    assert run(act()) == []


def test_api_errors_end_failed_with_what_the_api_said_and_are_never_the_answer(
    claude: Claude,
) -> None:
    error = {"status": 400, "type": "invalid_request_error", "message": "this was too much"}
    events = events_of(claude, script({"text": "one", **tool("Bash")}, {"error": error}))
    assert [text_of(event) for event in only(events, "message")[1:]] == ["one"]
    assert stamped(events[-1]) == {
        "event_type": "session_stop",
        "exit_code": 1,
        "reason": "failed",
        "error": "API Error: 400 this was too much",
    }
    assert "this was too much" in text_of(only(events, "diagnostic")[-1])


def test_an_overloaded_api_is_retried_in_sight_and_then_fails(claude: Claude) -> None:
    events = events_of(claude, script({"error": {"status": 529}}))
    retries = only(events, "retry")
    assert [(e["attempt"], e["status_code"], e["error"]) for e in retries] == [
        (1, 529, "overloaded"),
        (2, 529, "overloaded"),
    ]
    assert "529 Overloaded" in events[-1]["error"]


def test_a_dropped_connection_is_retried_in_sight(claude: Claude) -> None:
    async def act() -> Event:
        async with aclosing(claude.start(script({"text": "half an", "drop": True}))) as stream:
            return [await anext(stream), await anext(stream)][-1]

    retry = run(act())
    assert (retry["event_type"], retry["attempt"], retry.get("status_code")) == ("retry", 1, None)


def test_refused_credentials_end_soon_and_say_how_to_log_in(claude: Claude) -> None:
    error = {"status": 401, "type": "authentication_error", "message": "invalid x-api-key"}
    events = events_of(claude, script({"error": error}))
    assert types_of(events) == ["message", "retry", "retry", "retry", "session_stop"]
    stop = events[-1]
    assert (stop["exit_code"], stop["reason"]) == (1, "failed")
    assert "run `claude` and then /login there, or set ANTHROPIC_API_KEY" in stop["error"]


def test_no_credentials_end_at_once_and_say_how_to_log_in(
    claude: Claude, model: ModelServer
) -> None:
    environment = {k: v for k, v in claude.environment.items() if k != "ANTHROPIC_API_KEY"}
    events = events_of(claude, "hi", environment=environment)
    assert [event for event in only(events, "message") if event["role"] == "assistant"] == []
    assert events[-1]["reason"] == "failed"
    assert "Not logged in" in events[-1]["error"]
    assert "ANTHROPIC_API_KEY" in events[-1]["error"]
    assert model.requests() == []


def test_a_subagents_calls_carry_the_call_that_started_it(claude: Claude) -> None:
    claude.allow("Bash", "Agent", "Task")
    inner = script(tool("Bash", command="echo inside"), {"text": "found it"})
    call = tool("Agent", description="look", prompt=inner, subagent_type="general-purpose")
    events = events_of(claude, script(call, {"text": "it is found"}))
    assert types_of(events) == [
        "message",
        "pre_tool",
        "subagent_start",
        "pre_tool",
        "post_tool",
        "subagent_stop",
        "post_tool",
        "message",
        "usage",
        "session_stop",
    ]
    outer = events[1]["tool_use_id"]
    told = [event for event in events if "request_id" not in event]
    parents = [event.get("parent_tool_use_id") for event in told]
    assert parents == [None, None, outer, outer, outer, outer, None, None, None, None]
    stop = only(events, "subagent_stop")[0]
    assert (stop["status"], text_of(stop)) == ("completed", "found it")
    assert text_of(told[-3]) == "it is found"
    (total,) = totals(events)
    assert total["cost_microdollars"] == 4 * CALL_COST
    requests = requests_of(events)
    assert len(requests) == 4
    for counter in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens"):
        assert sum(r["usage"][counter] for r in requests.values()) == total[counter]
    parents = [request.get("parent_tool_use_id") for request in requests.values()]
    assert sorted(parents, key=str) == sorted([None, None, outer, outer], key=str)


def test_what_comes_after_the_first_result_is_not_lost_where_a_person_wants_background_work(
    claude: Claude,
) -> None:
    claude.allow("Agent", "Task")
    inner = script({"text": "found it"})
    call = tool("Agent", description="look", prompt=inner, subagent_type="general-purpose")
    prompt = script(call, {"text": "waiting"}, {"text": "it is found"})
    environment = {**claude.environment, "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "0"}
    events = events_of(claude, prompt, environment=environment)
    mine = [e for e in only(events, "message") if "parent_tool_use_id" not in e]
    assert [text_of(event) for event in mine[1:]] == ["waiting", "it is found"]
    costs = [total["cost_microdollars"] for total in totals(events)]
    assert (len(costs), sum(costs)) == (2, 4 * CALL_COST)
    assert events[-1]["reason"] == "completed"


def test_an_agents_prompt_tools_and_model_are_applied(claude: Claude, model: ModelServer) -> None:
    agent = Agent(
        name="reviewer",
        source=Path("agent.json"),
        system_prompt="Speak only of herons. " + "x" * 200_000,
        tools=("Read", "Bash"),
        disallowed_tools=("Bash",),
        model="claude-sonnet-4-5",
    )
    events_of(claude, "hi", agent=agent)
    (request,) = model.requests()
    assert agent.system_prompt is not None
    assert request["body"]["system"][-1]["text"].endswith(agent.system_prompt)
    assert len(request["body"]["system"]) > 1  # Claude Code's own prompt is there too
    assert [described["name"] for described in request["body"]["tools"]] == ["Read"]
    assert request["body"]["model"] == "claude-sonnet-4-5"


def test_the_specs_model_goes_before_the_agents_and_no_tools_means_none(
    claude: Claude, model: ModelServer
) -> None:
    agent = Agent(name="mute", source=Path("agent.json"), tools=(), model="claude-haiku-4-5")
    events_of(claude, "hi", agent=agent, model="claude-sonnet-4-5")
    (request,) = model.requests()
    assert request["body"]["model"] == "claude-sonnet-4-5"
    assert not request["body"].get("tools")


MCP_SERVER = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    answers = {
        "initialize": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                       "serverInfo": {"name": "notes", "version": "1"}},
        "tools/list": {"tools": [{"name": "recall", "description": "Recall.",
                                  "inputSchema": {"type": "object", "properties": {}}}]},
        "tools/call": {"content": [{"type": "text", "text": "a heron"}]},
    }
    if "id" in request:
        answer = {"jsonrpc": "2.0", "id": request["id"]}
        answer["result"] = answers.get(request["method"], {})
        print(json.dumps(answer), flush=True)
"""


def test_an_agents_mcp_server_is_started_and_called_and_its_secret_is_in_no_argument(
    claude: Claude,
) -> None:
    claude.allow("mcp__notes__recall")
    server = {"command": sys.executable, "args": ["-c", MCP_SERVER], "env": {"TOKEN": "secret-1"}}
    agent = Agent(name="noter", source=Path("agent.json"), mcp_servers={"notes": server})
    prompt = script(tool("mcp__notes__recall"), {"text": "a heron it is"})

    async def act() -> tuple[list[Event], str]:
        events, arguments = [], ""
        async with aclosing(claude.start(prompt, agent=agent)) as stream:
            async for event in stream:
                events.append(event)
                for process in psutil.Process().children():
                    with suppress(psutil.Error):  # one that has ended has none
                        arguments += " ".join(process.cmdline())
        return events, arguments

    events, arguments = run(act())
    (post_tool,) = only(events, "post_tool")
    assert post_tool["tool_output"] == [{"type": "text", "text": "a heron"}]
    assert "mcp.json" in arguments
    assert "secret-1" not in arguments


def test_an_mcp_server_that_does_not_work_is_a_diagnostic(claude: Claude) -> None:
    works = {"command": sys.executable, "args": ["-c", MCP_SERVER]}
    project = {"mcpServers": {"of-project": {"command": "/nowhere/at/all"}}}
    (claude.spec.project_dir / ".mcp.json").write_text(json.dumps(project))
    settings = claude.home / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"enableAllProjectMcpServers": true}')
    servers = {
        "works": works,
        "missing": {"command": "/nowhere/at/all"},
        "ends": {"command": sys.executable, "args": ["-c", "raise SystemExit(3)"]},
        "number": {**works, "env": {"PORT": 80}},
        "empty": {},
    }
    agent = Agent(name="noter", source=Path("agent.json"), mcp_servers=servers)
    events = events_of(claude, script({"text": "hi"}), agent=agent)
    told = [text_of(event) for event in only(events, "diagnostic")]
    named = {text.split("'")[1]: text for text in told if text.startswith("MCP server ")}
    assert set(named) == {*servers, "of-project"} - {"works"}
    assert "did not start" in named["missing"]
    assert "every value of `env` must be a text" in named["number"]
    assert events[-1]["reason"] == "completed"


def test_the_agent_has_the_given_environment_and_nothing_of_ours(
    claude: Claude, monkeypatch: pytest.MonkeyPatch, fake_cli: Callable[[str], str], tmp_path: Path
) -> None:
    monkeypatch.setenv("INHERITED_SECRET", "1")
    dump = tmp_path / "environment"
    fake = replace(claude, cli_path=fake_cli(f"env > {dump}; echo no >&2; exit 1"))
    outer = {"CLAUDECODE": "1", "CLAUDE_CODE_MESSAGING_TOKEN": "of the outer session"}
    error_of(fake, "hi", environment={**claude.environment, **outer, "GIVEN": "1"})
    names = {line.partition("=")[0] for line in dump.read_text().splitlines()}
    added_by_us = {
        "CLAUDE_AGENT_SDK_VERSION",
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS",
        "CLAUDE_CODE_ENTRYPOINT",
        "PWD",
        RUN_MARKER,
    }
    added_by_the_shell = {"_", "SHLVL", "OLDPWD"}
    assert names - added_by_the_shell == {*claude.environment, "GIVEN", *added_by_us}


def test_inherited_variables_do_not_reach_the_agents_tools(
    claude: Claude, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERITED_SECRET", "1")
    claude.allow("Bash")
    call = tool("Bash", command='echo "[$INHERITED_SECRET] [$GIVEN]"')
    environment = {**claude.environment, "GIVEN": "1"}
    events = events_of(claude, script(call, {"text": "done"}), environment=environment)
    assert only(events, "post_tool")[0]["tool_output"] == "[] [1]"


def test_default_mode_accepts_a_huge_edit_that_is_stored_short(claude: Claude) -> None:
    content = "x" * (TEXT_BYTES_LIMIT + 1000)
    target = str(claude.spec.project_dir / "huge.txt")
    events = events_of(claude, script(tool("Write", file_path=target, content=content)))
    assert only(events, "permission_denied") == []
    (pre_tool,) = only(events, "pre_tool")
    assert pre_tool["shortened"] == {"tool_input.content": len(content)}
    assert Path(target).read_text() == content


def test_what_cannot_be_stored_is_replaced(claude: Claude) -> None:
    events = events_of(claude, "a\x00\ud800" + script({"text": "b\x00\ud800"}))
    assert text_of(events[0]).startswith("a��")
    answer = only(events, "message")[-1]
    assert (text_of(answer), answer["sanitized"]) == ("b��", True)


def test_promise_6_a_missing_sdk_says_what_to_install(
    claude: Claude, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "claude_agent_sdk", None)
    events, error = error_of(claude, "hi")
    assert types_of(events) == ["message"]
    assert error == (
        "the Claude Agent SDK is not installed: pip install 'agent-orchestrator[claude]'"
    )


@pytest.mark.skipif(os.getuid() != 0, reason="only root is refused")
def test_promise_6_root_that_would_bypass_permissions_gets_the_clis_own_reason(
    claude: Claude,
) -> None:
    events, error = error_of(claude, "hi", permission_mode="bypassPermissions")
    assert types_of(events) == ["message"]
    assert "cannot be used with root/sudo privileges" in error
    assert "choose another permission mode" in error


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"resume": True}, "No conversation found with session ID"),
        ({"session_id": "no-uuid"}, "Must be a valid UUID"),
        ({"permission_mode": "nonsense"}, "nonsense"),
        ({"project_dir": Path("/nowhere/at/all")}, "/nowhere/at/all does not exist"),
    ],
)
def test_promise_6_what_the_cli_refuses_is_an_error_in_its_words(
    claude: Claude, changes: dict[str, Any], problem: str
) -> None:
    _, error = error_of(claude, "hi", **changes)
    assert problem in error


def test_promise_6_a_missing_cli_is_named(claude: Claude) -> None:
    _, error = error_of(replace(claude, cli_path="/nowhere/claude"), "hi")
    assert "/nowhere/claude" in error


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
"""Shell that answers the SDK's first request as the CLI does, and takes the prompt."""


def test_stopped_run_loses_nothing_that_the_cli_says(
    claude: Claude, fake_cli: Callable[[str], str], tmp_path: Path
) -> None:
    """Cancel while one message after the other is read, in each of the turns that one takes."""
    attempts = list(range(8))
    retry = {"type": "system", "subtype": "api_retry"}
    # Each is a read of its own, so that the SDK waits for it instead of finding it in its buffer.
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
def test_a_cli_that_says_what_cannot_be_read_is_stopped_and_failed(
    claude: Claude, fake_cli: Callable[[str], str], said: str
) -> None:
    async def act() -> list[Event]:
        async with Beacon.open() as beacon:
            command = shlex.join(beacon.command("polite"))
            fake = fake_cli(f"{INITIALIZED}echo '{said}'; exec 1>&-; exec {command}")
            return await replace(claude, cli_path=fake).events("hi")

    stop = run(act())[-1]
    assert stop["reason"] == "failed"
    assert stop["error"].startswith("what Claude Code said could not be read: ")


def test_a_warning_of_the_cli_is_a_diagnostic(claude: Claude) -> None:
    settings = claude.spec.project_dir / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"permissions": {"allow": ["Bash"]}}')
    events = events_of(claude, "hi")
    (diagnostic,) = only(events, "diagnostic")
    assert "this workspace has not been trusted" in text_of(diagnostic)
    assert events[-1]["reason"] == "completed"


def test_a_cli_that_breaks_off_after_its_start_fails_with_its_last_words(
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


def test_a_spent_budget_is_a_reason_of_its_own(
    claude: Claude, fake_cli: Callable[[str], str], cli_path: str | None
) -> None:
    claude.allow("Bash")
    real = cli_path or bundled_cli()
    budgeted = fake_cli(f'exec {shlex.quote(real)} "$@" --max-budget-usd 0.01')
    call = tool("Bash", command="echo hi")
    events = events_of(replace(claude, cli_path=budgeted), script(call, call, call))
    stop = events[-1]
    assert (stop["exit_code"], stop["reason"]) == (1, "budget")
    assert stop["error"] == "Reached maximum budget ($0.01)"


def test_the_cli_that_comes_with_the_sdk_is_found(claude: Claude) -> None:
    found = Path(bundled_cli())
    assert (found.name, found.parent.name) == ("claude", "_bundled")
    assert os.access(found, os.X_OK)


def test_the_executor_is_chosen_by_name(claude: Claude) -> None:
    assert isinstance(create_executor(claude.execution), ClaudeExecutor)


def test_importing_the_executor_does_not_import_the_sdk() -> None:
    source = (
        "import sys, agent_orchestrator.claude.executor; "
        "sys.exit('claude_agent_sdk' in sys.modules)"
    )

    async def act() -> int:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", source)
        return await process.wait()

    assert run(act()) == 0


def test_two_sessions_at_once_do_not_disturb_each_other(claude: Claude) -> None:
    async def act() -> list[list[Event]]:
        other = str(uuid.uuid4())
        first = claude.events(script({"text": "one"}))
        second = claude.events(script({"text": "two"}), session_id=other)
        return list(await asyncio.gather(first, second))

    answers = [text_of(events[1]) for events in run(act())]
    assert answers == ["one", "two"]


def test_what_no_person_wrote_has_an_origin(claude: Claude) -> None:
    told = events_of(claude, script({"text": "the word is heron"}))
    compacted = events_of(claude, "/compact", resume=True)
    users = [e for e in only([*told, *compacted], "message") if e["role"] == "user"]
    assert [event.get("origin") for event in users] == [None, None, "compaction", "command"]
    assert "session is being continued" in text_of(users[2])


def test_an_interrupt_from_elsewhere_is_a_failed_run(claude: Claude) -> None:
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

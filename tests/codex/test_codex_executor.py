"""The real Codex, driven by the executor, against the stand-in model on loopback."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.agents.agent import Agent
from agent_orchestrator.codex.executor import CodexExecutor
from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.base import Continuation, ExecutorError
from agent_orchestrator.runs.executor_table import create_executor
from tests.codex.conftest import Codex, compare, only, text_of, told, types_of
from tests.support.loops import run
from tests.support.model_server import ModelServer, script, tool
from tests.support.stopped_run import events_until_stopped

# These tests run one after another: concurrent agents would only slow each other down.
pytestmark = pytest.mark.xdist_group("codex-executor")

DONE = {"text": "done"}
MESSAGE_ID = "5e1a3c9e-0f5c-4a3f-9b61-8f5fb0a1c0de"
PATCH = "apply_patch <<'EOP'\n*** Begin Patch\n*** Add File: new.txt\n+a line\n*** End Patch\nEOP"


def command(cmd: str, **fields: Any) -> dict[str, Any]:
    return tool("exec_command", cmd=cmd, **fields)


def test_codex_is_an_executor_of_the_table(codex: Codex) -> None:
    assert isinstance(create_executor(codex.execution), CodexExecutor)


def test_promises_1_2_3_4_5_10_turn_equals_its_import(codex: Codex) -> None:
    """Think, run commands that succeed and fail, one that the sandbox denies, and edit a file."""
    first = {"thinking": "hmm", "text": "let me see", **command("echo hi")}
    steps = [first, command("exit 3"), command("echo no > /usr/no"), command(PATCH), DONE]
    prompt = script(*steps)
    events = codex.events(prompt)
    call = ["pre_tool", "post_tool"]
    assert types_of(events) == [
        *("message", "conversation", "thinking", "message"),
        *(4 * call),
        *("message", "turn_diff", "session_stop"),
    ]
    assert text_of(events[0]) == prompt
    (conversation,) = only(events, "conversation")
    stops = {e["tool_use_id"]: e for e in only(events, "post_tool")}
    calls = [(e["tool_input"]["cmd"], stops[e["tool_use_id"]]) for e in only(events, "pre_tool")]
    errors = {cmd: post.get("error") for cmd, post in calls}
    assert errors == {
        "echo hi": None,
        "exit 3": "exit code 3",
        "echo no > /usr/no": "exit code 1",
        PATCH: None,
    }
    assert "Read-only file system" in calls[2][1]["tool_output"]
    assert (codex.spec.project_dir / "new.txt").read_text() == "a line\n"
    assert "+a line" in only(events, "turn_diff")[0]["diff"]
    (stop,) = only(events, "session_stop")
    assert (stop["exit_code"], stop["reason"], stop.get("error")) == (0, "completed", None)
    assert len({event["event_id"] for event in events}) == len(events)
    usages = only(events, "usage")
    assert [usage["usage"]["input_tokens"] for usage in usages] == 5 * [1000]
    assert {usage["model"] for usage in usages} == {"gpt-5.5"}
    compare(codex, events)

    # A resumed thread has no raw items, and its record is as complete as before.
    continues = Continuation(resume=True, conversation_id=conversation["conversation_id"])
    resumed = codex.events(script(command("echo no > /usr/no"), DONE), continues=continues)
    assert types_of(resumed) == ["message", *call, "message", "session_stop"]
    compare(codex, [*events, *resumed])
    fork = Continuation(fork_of="s", conversation_id=conversation["conversation_id"])
    forked = codex.events(script(DONE), continues=fork)
    (other,) = only(forked, "conversation")
    assert types_of(forked) == ["message", "conversation", "message", "session_stop"]
    assert other["conversation_id"] != conversation["conversation_id"]
    unknown = Continuation(resume=True, conversation_id=codex.execution.session_id)
    with pytest.raises(ExecutorError, match="start another session"):
        codex.events(script(DONE), continues=unknown)


def test_permission_modes_are_set_also_on_resume(codex: Codex) -> None:
    """The person's own settings would allow everything."""
    config = codex.home / ".codex" / "config.toml"
    free = 'approval_policy = "never"\nsandbox_mode = "danger-full-access"\n'
    config.write_text(free + config.read_text())
    inside = codex.spec.project_dir / "inside"
    asked = command("echo asked", sandbox_permissions="require_escalated", justification="j")
    prompt = script(command(f"echo x > {inside}"), asked, DONE)

    def tried(mode: str | None, continues: Continuation | None = None) -> tuple[bool, list[str]]:
        inside.unlink(missing_ok=True)
        events = codex.events(prompt, permission_mode=mode, continues=continues)
        denied = [str(event["tool_name"]) for event in only(events, "permission_denied")]
        assert only(events, "session_stop")[0]["reason"] == "completed"
        thread.extend(event["conversation_id"] for event in only(events, "conversation"))
        return inside.exists(), denied

    thread: list[str] = []
    assert tried("bypassPermissions") == (True, [])
    resume = Continuation(resume=True, conversation_id=thread[0])
    assert tried("default", resume) == (False, ["exec_command"])
    assert tried(None, resume) == (True, ["exec_command"])
    assert tried("plan", resume) == (False, [])
    assert tried("dontAsk", resume) == (False, [])


def test_refused_end_and_silence_are_failures(codex: Codex) -> None:
    asked = command("echo no", sandbox_permissions="require_escalated", justification="j")
    ends = {
        "Codex stopped after a refused permission without an answer": script(asked, {}),
        "Codex stopped without an answer": script({}),
        "made to fail": script({"error": {"status": 400}}),
    }
    for error, prompt in ends.items():
        events = codex.events(prompt)
        stop = events[-1]
        assert (stop["reason"], stop["error"], stop["exit_code"]) == ("failed", error, 1)
    unauthorized = codex.events(script({"error": {"status": 401, "message": "who?"}}))
    assert "run `codex login`" in unauthorized[-1]["error"]
    assert [(e["status_code"], e["attempt"]) for e in only(unauthorized, "retry")] == [(401, 1)]


def test_message_joins_the_turn_and_a_late_one_is_refused(codex: Codex) -> None:
    gate = codex.spec.project_dir / "gate"
    os.mkfifo(gate)

    async def act() -> tuple[list[Event], str]:
        events: list[Event] = []
        executor = codex.executor()
        with pytest.raises(ExecutorError, match="has not started"):
            await executor.send("early", MESSAGE_ID)

        async def steer() -> None:
            await executor.send("Mind the gap.", MESSAGE_ID)
            await asyncio.to_thread(gate.write_text, "opened")

        prompt = script(command("cat gate", yield_time_ms=60_000), DONE, {"text": "noted"})
        async with aclosing(executor.run(prompt)) as stream, asyncio.TaskGroup() as tasks:
            async for event in stream:
                events.append(event)
                if event["event_type"] == "pre_tool":
                    tasks.create_task(steer())
        with pytest.raises(ExecutorError) as caught:
            await executor.send("late", MESSAGE_ID)
        return events, str(caught.value)

    events, late = run(act())
    assert "has finished" in late
    assert MESSAGE_ID not in {event["event_id"] for event in events}  # its sender records it
    content = [{"type": "text", "text": "Mind the gap."}]
    sent = {"event_type": "message", "event_id": MESSAGE_ID, "role": "user", "content": content}
    compare(codex, [*events, sent])


def test_promise_7_stop_leaves_no_process(codex: Codex) -> None:
    def start(cmd: str) -> AsyncGenerator[Event, None]:
        return codex.start(script(command(cmd)), permission_mode="bypassPermissions")

    events = run(events_until_stopped(start))
    (pre_tool,), (post_tool,) = only(events, "pre_tool"), only(events, "post_tool")
    assert post_tool["tool_use_id"] == pre_tool["tool_use_id"]
    assert post_tool["error"] == "aborted by user"
    assert not only(events, "session_stop")


def test_definition_sets_prompt_model_and_servers(
    codex: Codex, model: ModelServer, tmp_path: Path
) -> None:
    server = tmp_path / "server.py"
    server.write_text(SERVER)
    servers = {
        "t": {"type": "stdio", "command": "python3", "args": [str(server)], "env": {"WORD": "w"}},
        "missing": {"command": "/nowhere/at/all"},
    }
    agent = Agent(
        name="a", source=tmp_path, system_prompt="Speak of herons.", mcp_servers=servers,
        model="gpt-5.4",
    )  # fmt: skip
    call = {"tools": [{"namespace": "mcp__t", "name": "look", "input": {"at": "it"}}]}
    events = codex.events(script(call, DONE), agent=agent)
    (request, *_) = model.requests()
    assert request["body"]["model"] == "gpt-5.4"
    assert "Speak of herons." in json.dumps(request["body"])
    (pre_tool,), (post_tool,) = only(events, "pre_tool"), only(events, "post_tool")
    assert pre_tool["tool_name"] == "mcp__t__look"
    (denied,) = only(events, "permission_denied")
    assert denied["tool_use_id"] == pre_tool["tool_use_id"]
    assert post_tool["error"]
    assert ["missing" in text_of(event) for event in only(events, "diagnostic")].count(True) == 1
    compare(codex, events)


SERVER = """\
import json, sys
TOOL = {"name": "look", "inputSchema": {"type": "object", "properties": {"at": {"type": "string"}}}}
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    result = {}
    if message["method"] == "initialize":
        version = message["params"]["protocolVersion"]
        result = {"protocolVersion": version, "capabilities": {"tools": {}},
                  "serverInfo": {"name": "t", "version": "1"}}
    elif message["method"] == "tools/list":
        result = {"tools": [TOOL]}
    elif message["method"] == "tools/call":
        result = {"content": [{"type": "text", "text": "seen"}]}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


def test_missing_program_says_how_to_get_it(codex: Codex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_orchestrator.codex.installation.find_spec", lambda _: None)
    events = []

    async def act() -> None:
        async for event in codex.start("hi", environment={"PATH": "/nowhere"}):
            events.append(event)

    with pytest.raises(ExecutorError, match="npm install -g @openai/codex"):
        run(act())
    assert types_of(events) == ["message"]
    assert told(events)

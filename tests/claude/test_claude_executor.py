"""The real Claude Code CLI, driven by the executor, against the stand-in model on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
import uuid
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.claude.executor import ClaudeExecutor
from agent_orchestrator.events.event import Event
from agent_orchestrator.events.prepare import TEXT_BYTES_LIMIT
from agent_orchestrator.runs.executor_table import create_executor
from tests.claude.both_records import compare
from tests.claude.claude_events import events_of, only, stamped, text_of
from tests.claude.conftest import Claude, bundled_cli, types_of
from tests.claude.model_usage import CALL_COST, CALL_USAGE, requests_of, totals
from tests.support.beacon import Beacon
from tests.support.loops import run
from tests.support.model_server import ModelServer, script, tool

# These tests run one after another: concurrent CLIs would only slow each other down.
pytestmark = pytest.mark.xdist_group("claude-executor")


FOUND = {"text": "found it"}
PYTHON = f"{sys.executable} -c pass"


def conversation(request: dict[str, Any]) -> str:
    return json.dumps(request["body"]["messages"])


def test_promises_1_2_3_5_turn_with_thinking_text_and_tool_call(claude: Claude) -> None:
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
    assert compare(claude, events) == "completed"


def test_promise_4_failed_and_denied_calls_have_their_error(claude: Claude) -> None:
    """A denied call has its error in two events."""
    claude.allow("Bash(echo:*)", "Bash(exit:*)")
    calls = [tool("Bash", command="echo oops >&2; exit 3"), tool("Bash", command="echo fine")]
    both = {"tools": [call["tools"][0] for call in calls]}
    prompt = script(both, tool("Bash", command=PYTHON), {"text": "so be it"})
    events = events_of(claude, prompt, permission_mode="default")
    started, ended = only(events, "pre_tool"), only(events, "post_tool")
    assert [event["tool_use_id"] for event in started] == [e["tool_use_id"] for e in ended]
    failed, fine, last = ended
    assert (failed["error"], fine.get("error")) == ("Exit code 3\noops", None)
    (denied,) = only(events, "permission_denied")
    assert (denied["tool_name"], denied["tool_use_id"]) == ("Bash", last["tool_use_id"])
    assert denied["error"] == last["error"]
    assert "approval" in denied["error"]
    assert events[-1]["reason"] == "completed"
    compare(claude, events)


def test_resume_keeps_id_and_conversation_and_costs_only_itself(
    claude: Claude, model: ModelServer
) -> None:
    """Another session runs beside the first run; neither disturbs the other."""

    async def act() -> list[list[Event]]:
        first = claude.events(script({"text": "the word is heron"}))
        other = claude.events(script({"text": "two"}), session_id=str(uuid.uuid4()))
        return list(await asyncio.gather(first, other))

    first, other = run(act())
    assert [text_of(events[1]) for events in (first, other)] == ["the word is heron", "two"]
    (transcript,) = claude.home.glob(f".claude/projects/*/{claude.execution.session_id}.jsonl")
    lines = [json.loads(line) for line in transcript.read_text().splitlines()]
    prompts = [line["uuid"] for line in lines if line.get("type") == "user"]
    assert prompts == [first[0]["event_id"]]  # both records use the same id for the prompt
    model.forget()
    second = events_of(claude, "name the word", resume=True)
    (request,) = model.requests()
    assert "the word is heron" in conversation(request)
    assert request["headers"]["x-claude-code-session-id"] == claude.execution.session_id
    for events in (first, second):
        assert totals(events) == [CALL_USAGE]
        assert len(requests_of(events)) == 1
    ids = [event["event_id"] for event in [*first, *second]]
    assert len(set(ids)) == len(ids)


def test_promise_2_requests_are_counted_during_the_run(claude: Claude) -> None:
    claude.allow("Bash", "Agent", "Task")

    async def act() -> dict[str, Event]:
        """Stop the run in its last tool, once the usage of all four requests is complete."""
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


def test_subagent_events_name_the_call_that_started_it(claude: Claude) -> None:
    claude.allow("Bash", "Agent", "Task")
    inner = script({"thinking": "where?", **tool("Bash", command="echo inside")}, FOUND)
    call = tool("Agent", description="look", prompt=inner, subagent_type="general-purpose")
    events = events_of(claude, script(call, {"text": "it is found"}))
    assert types_of(events) == [
        "message",
        "pre_tool",
        "subagent_start",
        "thinking",
        "pre_tool",
        "post_tool",
        "message",
        "subagent_stop",
        "post_tool",
        "message",
        "usage",
        "session_stop",
    ]
    outer = events[1]["tool_use_id"]
    told = [event for event in events if "request_id" not in event]
    parents = [event.get("parent_tool_use_id") for event in told]
    assert parents == [None, None, *[outer] * 6, None, None, None, None]
    assert text_of(told[6]) == "found it"
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
    assert compare(claude, events) == "completed"


def test_events_of_background_work_after_a_result_are_kept(
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
    assert compare(claude, events) == "completed"


def test_huge_edit_and_odd_characters_become_storable(claude: Claude) -> None:
    """An edit needs no permission in our default mode."""
    content = "x" * (TEXT_BYTES_LIMIT + 1000)
    target = str(claude.spec.project_dir / "huge.txt")
    steps = [tool("Write", file_path=target, content=content), {"text": "b\x00\ud800"}]
    events = events_of(claude, "a\x00\ud800" + script(*steps))
    assert only(events, "permission_denied") == []
    (pre_tool,) = only(events, "pre_tool")
    assert pre_tool["shortened"] == {"tool_input.content": len(content)}
    assert Path(target).read_text() == content
    assert text_of(events[0]).startswith("a��")
    answer = only(events, "message")[-1]
    assert (text_of(answer), answer["sanitized"]) == ("b��", True)


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

"""A real Claude Code that leads other sessions with the tools of the orchestrator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.shell import DONE, Ended, Shell
from tests.support.model_server import ModelServer, script, tool

# These tests run one after another: concurrent CLIs would only slow each other down.
pytestmark = pytest.mark.xdist_group("claude-commands")

OURS = "mcp__agent-orchestrator__"


def ours(name: str, /, **arguments: Any) -> dict[str, Any]:
    return tool(f"{OURS}{name}", **arguments)


def answers(records: ManagerClient, session_id: str) -> list[dict[str, Any]]:
    """Return the answers of the tools that an agent has called, in order."""
    found = []
    for event in records.iterate_events(session_id):
        if event["event_type"] == "post_tool":
            output = event["tool_output"]
            found.append(json.loads(output if isinstance(output, str) else output[0]["text"]))
    return found


def test_claude_leads_sessions_of_two_kinds_without_a_permission(
    claude: Shell, records: ManagerClient, model: ModelServer, tmp_path: Path
) -> None:
    agents = tmp_path / "agents"
    (agents / "counter").mkdir(parents=True)
    definition = {"name": "counter", "description": "Counts.", "command": ["wc", "-w"]}
    (agents / "counter" / "agent.json").write_text(json.dumps(definition))
    claude = claude.having(AGENT_ORCHESTRATOR_AGENTS_DIR=str(agents))
    task = script({"text": "The word is heron."})
    # Without messages about their ends, which could come between two calls.
    prompt = script(
        ours("start_session", name="lead-finds", prompt=task, notify=False),
        ours("start_session", name="lead-counts", prompt="one two", agent="counter", notify=False),
        ours("start_session", name="lead-finds", prompt=task),
        ours("start_session", name="lead-finds", prompt="another"),
        ours("wait_sessions", sessions=["lead-finds", "lead-counts"], seconds=45),
        ours("get_result", session="lead-finds"),
        ours(
            "resume_session", session="lead-counts", text="one two three", after_run=1, notify=False
        ),
        ours("wait_sessions", sessions=["lead-counts"], seconds=45),
        ours("stop_session", session="lead"),
        {"text": "Both are done."},
    )
    assert claude.run("ao-new", "lead", "-p", prompt) == Ended(DONE, "Both are done.\n", "")
    (lead,) = records.find_sessions(session_name="lead", project_dir=str(claude.directory))
    started, counts, again, taken, waited, result, resumed, counted, own = answers(
        records, lead["session_id"]
    )
    assert (started["is_new"], again["is_new"]) == (True, False)
    assert started["session_id"] == again["session_id"]
    assert taken["error"]["code"] == "name_taken"
    assert waited["call_again"] is False
    results = {each["name"]: each["result"]["text"] for each in waited["ended"]}
    assert results == {"lead-finds": "The word is heron.", "lead-counts": "2\n"}
    assert result["result"] == {"text": "The word is heron."}
    assert (resumed["run"], resumed["session_id"]) == (2, counts["session_id"])
    assert counted["ended"][0]["result"] == {"text": "3\n"}
    assert own["error"]["code"] == "own_session"
    child = records.get_session(started["session_id"])
    assert child["parent_session_id"] == lead["session_id"]


def test_agent_without_the_tools_has_none_in_later_runs_either(
    claude: Shell, model: ModelServer
) -> None:
    hello = script({"text": "Hello."})
    assert claude.run("ao-new", "alone", "-p", hello, "--no-mcp").exit_code == DONE
    assert claude.run("ao-resume", "alone", "-p", hello).exit_code == DONE
    requests = model.requests()
    assert len(requests) == 2
    assert "agent-orchestrator" not in json.dumps([each["body"]["tools"] for each in requests])

"""Real agents that lead other sessions with the tools of the orchestrator."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.executors.mcp_server import other_name
from tests.commands.conftest import provide_codex
from tests.commands.shell import DONE, Ended, Shell
from tests.commands.test_secrecy import BEARERS
from tests.support.model_server import ModelServer, script, tool

# These tests run one after another: concurrent CLIs would only slow each other down.
pytestmark = pytest.mark.xdist_group("claude-commands")

HERON = "The word is heron."
OURS = "mcp__agent-orchestrator__"
QUIET = {"notify": False}
"""For starts without a message about the end, which could come between two calls."""
PATIENCE = 3
"""Number of waits of 45 seconds; those after the end return at once."""


def ours(name: str, /, **arguments: Any) -> dict[str, Any]:
    return tool(f"{OURS}{name}", **arguments)


def by_codex(name: str, server: str = "agent-orchestrator", /, **arguments: Any) -> dict[str, Any]:
    namespace = f"mcp__{server.replace('-', '_')}"
    return {"tools": [{"namespace": namespace, "name": name, "input": arguments}]}


def files_below(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def answers(records: ManagerClient, session_id: str) -> list[dict[str, Any]]:
    """Return the answers of the tools that an agent has called, in order."""
    found = []
    for event in records.iterate_events(session_id):
        if event["event_type"] == "post_tool":
            output = event["tool_output"]
            # Codex has a text of its own before the answer.
            found.append(json.loads(output if isinstance(output, str) else output[-1]["text"]))
    return found


def _without_repeats(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out each answer that repeats the one before, as that of a wait after the end."""
    return [each for each, _ in groupby(found)]


def test_claude_leads_three_kinds_without_a_permission(
    claude: Shell, records: ManagerClient, model: ModelServer, own_home: Path, tmp_path: Path
) -> None:
    agents = tmp_path / "agents"
    (agents / "counter").mkdir(parents=True)
    definition = {"name": "counter", "description": "Counts.", "command": ["wc", "-w"]}
    (agents / "counter" / "agent.json").write_text(json.dumps(definition))
    claude = claude.having(
        AGENT_ORCHESTRATOR_AGENTS_DIR=str(agents), **provide_codex(own_home, model)
    )
    task = script({"text": HERON})
    names = ["lead-finds", "lead-counts", "lead-reads"]
    prompt = script(
        ours("start_session", name="lead-finds", prompt=task, **QUIET),
        ours("start_session", name="lead-counts", prompt="one two", agent="counter", **QUIET),
        ours("start_session", name="lead-reads", prompt=task, executor="codex", **QUIET),
        ours("start_session", name="lead-finds", prompt=task),
        ours("start_session", name="lead-finds", prompt="another"),
        *[ours("wait_sessions", sessions=names, seconds=45)] * PATIENCE,
        ours("get_result", session="lead-reads"),
        ours("resume_session", session="lead-counts", text="one two three", after_run=1, **QUIET),
        *[ours("wait_sessions", sessions=["lead-counts"], seconds=45)] * PATIENCE,
        ours("stop_session", session="lead"),
        {"text": "All are done."},
    )
    assert claude.run("ao-new", "lead", "-p", prompt) == Ended(DONE, "All are done.\n", "")
    (lead,) = records.find_sessions(session_name="lead", project_dir=str(claude.directory))
    found = [each for each in answers(records, lead["session_id"]) if not each.get("call_again")]
    started, counts, reads, again, taken = found[:5]
    waited, result, resumed, counted, own = _without_repeats(found[5:])
    assert (started["is_new"], reads["is_new"], again["is_new"]) == (True, True, False)
    assert started["session_id"] == again["session_id"]
    assert taken["error"]["code"] == "name_taken"
    results = {each["name"]: each["result"]["text"] for each in waited["ended"]}
    assert results == dict(zip(names, (HERON, "2\n", HERON), strict=True))
    assert result["result"] == {"text": HERON}
    assert (resumed["run"], resumed["session_id"]) == (2, counts["session_id"])
    assert counted["ended"][0]["result"] == {"text": "3\n"}
    assert own["error"]["code"] == "own_session"
    children = [records.get_session(each["session_id"]) for each in (started, reads)]
    assert {child["parent_session_id"] for child in children} == {lead["session_id"]}
    assert [child["executor"] for child in children] == ["claude", "codex"]


def test_codex_leads_and_its_token_is_nowhere(
    codex: Shell, records: ManagerClient, model: ModelServer, own_home: Path
) -> None:
    """Also beside a server of the person, and in a mode without questions."""
    shell = codex
    task = script({"text": HERON})
    first = script(
        by_codex("start_session", name="codex-reads", prompt=task, **QUIET),
        *[by_codex("wait_sessions", sessions=["codex-reads"], seconds=45)] * PATIENCE,
        by_codex("get_result", session="codex-reads"),
        by_codex("stop_session", session="codex-reads"),
        {"text": "It is done."},
    )
    new = ("ao-new", "codex-lead", "--executor", "codex", "-p", first)
    assert shell.run(*new) == Ended(DONE, "It is done.\n", "")
    (lead,) = records.find_sessions(session_name="codex-lead", project_dir=str(shell.directory))
    found = [each for each in answers(records, lead["session_id"]) if not each.get("call_again")]
    reads, waited, result, stopped = _without_repeats(found)
    assert [each["result"]["text"] for each in waited["ended"]] == [HERON]
    assert result["result"] == {"text": HERON}
    # Codex asks about a tool that may destroy something.
    assert stopped["session_id"] == reads["session_id"]
    child = records.get_session(reads["session_id"])
    assert (child["parent_session_id"], child["executor"]) == (lead["session_id"], "codex")

    config = own_home / ".codex" / "config.toml"
    config.write_text(f'{config.read_text()}[mcp_servers.agent-orchestrator]\ncommand = "ao-mcp"\n')
    other = other_name(lead["session_id"])
    second = script(
        by_codex("start_session", other, name="codex-reads", prompt=task),
        by_codex("stop_session", other, session="codex-reads"),
        {"text": "It is known."},
    )
    resume = ("ao-resume", "codex-lead", "--permission-mode", "dontAsk", "-p", second)
    assert shell.run(*resume) == Ended(DONE, "It is known.\n", "")
    *_, again, stopped = answers(records, lead["session_id"])
    assert (again["is_new"], again["session_id"]) == (False, reads["session_id"])
    assert stopped["session_id"] == reads["session_id"]

    written = [json.dumps(model.requests())]
    written += [json.dumps(list(records.iterate_events(lead["session_id"])))]
    written += [path.read_text(errors="replace") for path in files_below(own_home / ".codex")]
    written += [(shell.state_dir / "supervisors.log").read_text()]
    assert not [text for text in written if BEARERS.search(text)]

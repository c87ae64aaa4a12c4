"""MCP servers in odd trees, variables and settings: we name those that Claude Code cannot use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.agents.agent import Agent
from tests.claude.claude_events import events_of, only, text_of
from tests.claude.conftest import Claude, bundled_cli
from tests.claude.notes_server import notes_server
from tests.support.model_server import script
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("claude-executor")

WORKS = notes_server()
ODD = {**WORKS, "env": {"PORT": 80}}
MISSING = {"command": "/nowhere/at/all"}
CLOSED = "http://127.0.0.1:1/x"
OF_AGENT: dict[str, Any] = {
    "works": WORKS,
    "two words": WORKS,
    "ü.1": WORKS,
    "of-both": WORKS,
    "variable": {"command": "${SERVER}", "args": WORKS["args"]},
    "unset": {"command": "${NOT_SET}"},
    "http": {"type": "http", "url": CLOSED},
    "sse": {"type": "sse", "url": CLOSED},
    "directory": {"command": "/tmp"},
    "type": {"type": "none", "command": "x"},
    "arguments": {"command": sys.executable, "args": "x"},
    "number": ODD,
    "list": [1],
    "nothing": None,
    "empty": {},
}
OF_PROJECT = {
    "p-works": WORKS,
    "p-missing": MISSING,
    "p-disabled": WORKS,
    "p-variable": OF_AGENT["variable"],
    "p-default": {"command": f"${{NOT_SET:-{sys.executable}}}", "args": WORKS["args"]},
    "p-unset": OF_AGENT["unset"],
    "p-number": ODD,
    "p-headers": {"type": "http", "url": CLOSED, "headers": {"x": True}},
}
OF_PARENT = {"above-works": WORKS, "above-missing": MISSING, "above-number": ODD}
OF_USER = {"u-works": WORKS, "u-off": WORKS, "u-number": ODD, "of-both": MISSING}
OF_USER_HERE = {"here-works": WORKS, "here-http": OF_AGENT["http"], "here-number": ODD}


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))


def usable_servers(claude: Claude, given: Path, environment: dict[str, str]) -> set[str]:
    """Ask the CLI for its servers, until none is pending; return those that it can use or that are
    switched off."""
    streams = ["--output-format=stream-json", "--input-format=stream-json", "--verbose"]
    options = ["--setting-sources=user,project,local", f"--mcp-config={given}"]
    asked = subprocess.Popen(
        [claude.cli_path or bundled_cli(), *streams, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=claude.spec.project_dir,
        env=environment,
    )
    to, answers = asked.stdin, asked.stdout
    assert to and answers  # they are pipes

    def answer_to(subtype: str) -> Any:
        frame = {"type": "control_request", "request_id": "1", "request": {"subtype": subtype}}
        to.write(json.dumps(frame).encode() + b"\n")
        to.flush()
        frames = map(json.loads, answers)
        answer = next(f["response"] for f in frames if f["type"] == "control_response")
        return answer["response"]

    def settled() -> list[Any] | None:
        servers = answer_to("mcp_status").get("mcpServers")
        is_pending = any(server["status"] == "pending" for server in servers or [])
        return None if is_pending else servers

    with asked:
        answer_to("initialize")
        servers = wait_for(settled, "no server is pending")
        to.close()
    return {s["name"] for s in servers if s["status"] in ("connected", "disabled")}


def test_unusable_servers_are_those_of_claude_code(claude: Claude, tmp_path: Path) -> None:
    project = claude.spec.project_dir
    subprocess.run(["git", "init", "--quiet", str(project.parent)], check=True)
    write(project / ".mcp.json", {"mcpServers": OF_PROJECT})
    write(project.parent / ".mcp.json", {"mcpServers": OF_PARENT})
    approved = {"enableAllProjectMcpServers": True, "disabledMcpjsonServers": ["p-disabled"]}
    write(claude.settings, approved)
    here = {"mcpServers": OF_USER_HERE, "disabledMcpServers": ["u-off"]}
    trusted = {**here, "hasTrustDialogAccepted": True}
    write(
        claude.home / ".claude.json",
        {"mcpServers": OF_USER, "projects": {str(project.parent): trusted}},
    )
    environment = {**claude.environment, "SERVER": sys.executable}
    write(tmp_path / "given.json", {"mcpServers": OF_AGENT})
    usable = usable_servers(claude, tmp_path / "given.json", environment)
    agent = Agent(name="noter", source=Path("agent.json"), mcp_servers=OF_AGENT)
    events = events_of(claude, script({"text": "hi"}), agent=agent, environment=environment)
    told = [text_of(event).split("'") for event in only(events, "diagnostic")]
    every = {*OF_AGENT, *OF_PROJECT, *OF_PARENT, *OF_USER, *OF_USER_HERE} - {"p-disabled"}
    assert {"works", "of-both", "p-variable", "above-works", "u-off", "here-works"} <= usable
    assert {words[1] for words in told if words[0] == "MCP server "} == every - usable

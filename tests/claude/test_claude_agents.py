"""Agents as the real Claude Code applies them: prompt, tools, model, servers and environment."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent_orchestrator.agents.agent import Agent
from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.mcp_server import McpServer
from agent_orchestrator.machine.environment import RUN_MARKER
from tests.claude.claude_events import error_of, events_of, only, text_of
from tests.claude.conftest import Claude
from tests.claude.notes_server import notes_server
from tests.support.loops import run
from tests.support.model_server import ModelServer, script, tool
from tests.support.rows import each_row

# These tests run one after another: concurrent CLIs would only slow each other down.
pytestmark = pytest.mark.xdist_group("claude-executor")


@each_row(
    "agents_mode, specs_mode, expected",
    [("plan", "default", "default"), ("plan", None, "plan"), (None, None, "acceptEdits")],
)
def test_permission_mode_of_the_spec_overrides_the_agents(
    claude: Claude, agents_mode: str | None, specs_mode: str | None, expected: str
) -> None:
    from agent_orchestrator.claude.command_line import arguments_of

    agent = Agent(name="writer", source=Path("agent.json"), permission_mode=agents_mode)
    spec = replace(claude.spec, agent=agent, permission_mode=specs_mode)
    arguments = arguments_of(replace(claude.execution, spec=spec), claude.home)
    modes = [argument for argument in arguments if argument.startswith("--permission-mode")]
    assert modes == [f"--permission-mode={expected}"]


def test_prompt_tools_and_model_of_an_agent_are_applied(claude: Claude, model: ModelServer) -> None:
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


def test_model_of_the_spec_overrides_and_no_tools_means_none(
    claude: Claude, model: ModelServer
) -> None:
    agent = Agent(name="mute", source=Path("agent.json"), tools=(), model="claude-haiku-4-5")
    events_of(claude, "hi", agent=agent, model="claude-sonnet-4-5")
    (request,) = model.requests()
    assert request["body"]["model"] == "claude-sonnet-4-5"
    assert not request["body"].get("tools")


@each_row(
    "definition, is_given, rule",
    [
        ({}, True, "mcp__agent-orchestrator"),
        ({"tools": ("Read", "Bash(ls *)")}, False, "Bash(ls *)"),
        ({"tools": ("Read", "mcp__agent-orchestrator")}, True, "mcp__agent-orchestrator"),
        (
            {"tools": ("mcp__agent-orchestrator__get_result", "Bash(ls *)")},
            True,
            "Bash(ls *),mcp__agent-orchestrator__get_result",
        ),
        ({"mcp_servers": {"agent-orchestrator": {"command": "theirs"}}}, False, None),
        ({"mcp_servers": {"notes": {"command": "theirs"}}}, True, "mcp__agent-orchestrator"),
    ],
)
def test_own_server_is_given_with_the_rules_of_the_definition(
    claude: Claude, definition: dict[str, Any], is_given: bool, rule: str | None
) -> None:
    from agent_orchestrator.claude.command_line import arguments_of

    agent = Agent(name="lead", source=Path("agent.json"), **definition)
    server = McpServer(url="http://127.0.0.1:1/mcp", token="agent-secret")
    execution = replace(claude.execution, spec=replace(claude.spec, agent=agent), mcp=server)
    arguments = arguments_of(execution, claude.home)
    assert [a for a in arguments if a.startswith("--allowedTools")] == (
        [f"--allowedTools={rule}"] if rule else []
    )
    assert not any("agent-secret" in argument for argument in arguments)
    assert not any(a.startswith("--tools") and "mcp__" in a for a in arguments)
    files = [a.partition("=")[2] for a in arguments if a.startswith("--mcp-config")]
    content = Path(files[0]).read_text() if files else "{}"
    servers = json.loads(content).get("mcpServers", {})
    assert (servers.get("agent-orchestrator", {}).get("type") == "http") is is_given
    assert ("agent-secret" in content) is is_given
    assert {*servers} == {*definition.get("mcp_servers", {})} | (
        {"agent-orchestrator"} if is_given else set()
    )


def test_servers_of_a_definition_are_called_and_stay(claude: Claude) -> None:
    """No secret is in arguments. One server has the name of ours: that is a diagnostic."""
    claude.allow("mcp__notes__recall", "mcp__agent-orchestrator__recall")
    servers = {"notes": notes_server(TOKEN="secret-1"), "agent-orchestrator": notes_server()}
    agent = Agent(name="lead", source=Path("agent.json"), mcp_servers=servers)
    ours = McpServer(url="http://127.0.0.1:1/mcp", token="agent-secret")
    calls = [tool("mcp__notes__recall"), tool("mcp__agent-orchestrator__recall")]
    prompt = script(*calls, {"text": "a heron it is"})
    claude = replace(claude, execution=replace(claude.execution, mcp=ours))

    async def act() -> tuple[list[Event], str]:
        events, arguments = [], ""
        async with aclosing(claude.start(prompt, agent=agent)) as stream:
            async for event in stream:
                events.append(event)
                for process in psutil.Process().children():
                    with suppress(psutil.Error):  # an ended process has no arguments
                        arguments += " ".join(process.cmdline())
        return events, arguments

    events, arguments = run(act())
    outputs = [event["tool_output"] for event in only(events, "post_tool")]
    assert outputs == [[{"type": "text", "text": "a heron"}]] * 2
    assert "mcp.json" in arguments
    assert "secret-1" not in arguments
    (diagnostic,) = only(events, "diagnostic")
    assert "rename the definition's server" in text_of(diagnostic)


def test_broken_server_and_untrusted_settings_are_diagnostics(claude: Claude) -> None:
    works = notes_server()
    project = {"mcpServers": {"of-project": {"command": "/nowhere/at/all"}}}
    (claude.spec.project_dir / ".mcp.json").write_text(json.dumps(project))
    for place, settings in (
        (claude.home, {"enableAllProjectMcpServers": True}),
        (claude.spec.project_dir, {"permissions": {"allow": ["Bash"]}}),
    ):
        path = place / ".claude" / "settings.json"
        path.parent.mkdir()
        path.write_text(json.dumps(settings))
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
    assert "every value of `env` must be a string" in named["number"]
    assert any("this workspace has not been trusted" in text for text in told)
    assert events[-1]["reason"] == "completed"


def test_agent_gets_only_the_given_environment(
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

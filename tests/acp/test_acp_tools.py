"""The orchestrator's MCP server in a conversation, and calls of its tools without a question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.agents.agent import Agent
from agent_orchestrator.executors.base import Continuation
from agent_orchestrator.executors.mcp_server import TOOLS, McpServer, other_name
from tests.acp.conftest import DONE, Acp, ask, of_type, text, texts
from tests.acp.test_acp_permissions import ALLOWED, REJECTED, outcomes
from tests.acp.test_acp_turns import serve_of, stop_of
from tests.support.rows import each_row

TOKEN = "agent-secret"
NAME = "agent-orchestrator"
HTTP = {"mcpCapabilities": {"http": True}}
OVER_HTTP = {
    "type": "http",
    "name": NAME,
    "url": "http://127.0.0.1:1/mcp",
    "headers": [{"name": "Authorization", "value": f"Bearer {TOKEN}"}],
}


@pytest.fixture
def leading(acp: Acp) -> Acp:
    """An agent that gets the tools, and whose person is asked nothing."""
    acp.mcp = McpServer(url="http://127.0.0.1:1/mcp", token=TOKEN)
    return acp


def serving(preset: str, capabilities: dict[str, Any]) -> list[Any]:
    word, _, results = serve_of(preset)
    return [word, capabilities, results]


@each_row(
    "method, capabilities",
    [
        ("session/new", {}),
        ("session/load", {"loadSession": True}),
        ("session/resume", {"sessionCapabilities": {"resume": {}}}),
    ],
)
def test_each_conversation_gets_the_server(
    leading: Acp, method: str, capabilities: dict[str, Any]
) -> None:
    is_new = method == "session/new"
    leading.continues = Continuation(resume=not is_new, conversation_id="c")
    hello = [text("Hi."), DONE]
    leading.play(["serve", {**capabilities, **HTTP}], *hello)
    (params,) = leading.sent(method)
    assert params["mcpServers"] == [OVER_HTTP]
    leading.play(["serve", capabilities], *hello)  # every agent can start a server
    (params,) = leading.sent(method)
    (server,) = params["mcpServers"]
    assert (server["name"], server["args"][-1]) == (NAME, "agent_orchestrator.cli.mcp")
    assert {"name": "AGENT_ORCHESTRATOR_RUN_TOKEN", "value": TOKEN} in server["env"]
    assert TOKEN not in json.dumps([server["command"], server["args"]])


def test_agent_that_takes_no_server_says_so(leading: Acp) -> None:
    leading.preset = "copilot"
    done = ["done", {"stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1}}]
    events = leading.play(serving("copilot", {}), ["report", "X"], done)
    (params,) = leading.sent("session/new")
    assert params["mcpServers"] == []
    (note,) = of_type(events, "diagnostic")
    assert "takes no MCP server over HTTP" in note["content"][0]["text"]


def test_server_of_the_definition_keeps_our_name(leading: Acp) -> None:
    servers = {NAME: {"url": "http://127.0.0.1:2/mcp"}}
    leading.agent = Agent(name="a", source=Path("a.json"), mcp_servers=servers)
    events = leading.play(["serve", HTTP], text("Hi."), DONE)
    (params,) = leading.sent("session/new")
    assert [each["url"] for each in params["mcpServers"]] == ["http://127.0.0.1:2/mcp"]
    (clash,) = of_type(events, "diagnostic")
    assert "rename the definition's server" in clash["content"][0]["text"]


def test_agents_with_rules_of_their_own_are_told_them(leading: Acp) -> None:
    """A person's own server of our name must not get the permission, and no argument the token."""
    done = ["done", {"stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1}}]

    def report(preset: str) -> dict[str, Any]:
        leading.preset, leading.mode = preset, "dontAsk"
        events = leading.play(serving(preset, HTTP), ["report", "OPENCODE_PERMISSION"], done)
        found: dict[str, Any] = json.loads("".join(texts(events)))
        return found

    copilot, other = report("copilot"), other_name("s1")
    assert copilot["arguments"][3:] == ["--allow-tool", other, "--disable-mcp-server", NAME]
    (params,) = leading.sent("session/new")
    assert [each["name"] for each in params["mcpServers"]] == [other]
    opencode = report("opencode")
    rules = json.loads(opencode["value"])
    ours = {name: rule for name, rule in rules.items() if name.startswith(NAME)}
    assert ours == {f"{NAME}_{tool}": "allow" for tool in TOOLS}
    assert rules["*"] == "deny"
    assert TOKEN not in json.dumps([copilot, opencode])
    leading.mcp = None
    assert NAME not in json.dumps([report("copilot"), report("opencode")])


KIMI, GEMINI = f"mcp__{NAME}__start_session", f"mcp_{NAME}_start_session"


@each_row(
    "preset, told, is_allowed",
    [
        ("kimi", {"title": KIMI}, True),
        ("kimi", {"title": f"{KIMI}s"}, False),
        ("kimi", {"title": f"mcp__{NAME}-2__start_session"}, False),
        ("kimi", {"title": f"x mcp__{NAME}__start_session"}, False),
        ("kimi", {"title": "mcp__notes__start_session"}, False),
        ("kimi", {"title": f"mcp__{NAME}__rm"}, False),
        ("kimi", {"title": "Bash", "rawInput": {"command": KIMI}}, False),
        ("qwen", {"_meta": {"toolName": KIMI}, "title": "{}"}, True),
        ("qwen", {"_meta": {"toolName": "run_shell_command"}, "title": KIMI}, False),
        ("qwen", {"title": KIMI, "kind": "other"}, False),
        ("gemini", {"toolCallId": f"{GEMINI}__{GEMINI}_1"}, True),
        (
            "gemini",
            {"toolCallId": f"mcp_{NAME}_2_start_session__mcp_{NAME}_2_start_session_1"},
            False,
        ),
        # The tool `_rm` of a server with a name like that of our tool.
        ("gemini", {"toolCallId": f"{GEMINI}__rm__{GEMINI}__rm_1795708715281_0"}, False),
        ("gemini", {"toolCallId": f"{GEMINI}__{GEMINI}__rm_1"}, False),
        ("gemini", {"toolCallId": "shell__shell_1", "title": GEMINI}, False),
        ("opencode", {"title": f"{NAME}_start_session"}, False),
        ("copilot", {"title": f"{NAME}-start_session"}, False),
        ("acp", {"title": KIMI, "_meta": {"toolName": KIMI}}, False),
    ],
)
def test_only_calls_of_our_own_tools_are_allowed(
    leading: Acp, preset: str, told: dict[str, Any], is_allowed: bool
) -> None:
    ours, leading.preset = leading.mcp, preset
    leading.mode = "acceptEdits" if preset == "kimi" else "default"
    done = ["done", {"stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1}}]
    serve = serving(preset, HTTP) if preset != "acp" else ["serve", HTTP]
    fields = {"call_id": told.get("toolCallId", "call-1"), **told}
    events = leading.play(serve, ask(**fields), text("So.", messageId="m"), done)
    assert outcomes(leading) == [ALLOWED if is_allowed else REJECTED]
    assert len(of_type(events, "permission_denied")) == (not is_allowed)
    assert stop_of(events)[0] == "completed"
    if is_allowed:  # without our server the name is that of another one
        leading.mcp = None
        leading.play(serve, ask(**fields), text("So."), done)
        assert outcomes(leading) == [REJECTED]
        leading.mcp = ours


def test_name_that_two_servers_can_have_is_asked_about(leading: Acp) -> None:
    servers = {f"{NAME}_start": {"url": "http://127.0.0.1:2/mcp"}}
    leading.agent = Agent(name="a", source=Path("a.json"), mcp_servers=servers)
    leading.preset = "gemini"
    results = []
    for tool in ("start_session", "get_result"):
        name = f"mcp_{NAME}_{tool}"
        request = ask(call_id=f"{name}__{name}_1795708715281_0")
        leading.play(serving("gemini", HTTP), request, text("So."), DONE)
        results += outcomes(leading)
    assert results == [REJECTED, ALLOWED]

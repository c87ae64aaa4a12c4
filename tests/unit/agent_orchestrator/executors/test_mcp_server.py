"""The orchestrator's MCP server, as executors hand it to their agents."""

from __future__ import annotations

from pathlib import Path

from agent_orchestrator.agents.agent import Agent
from agent_orchestrator.executors.mcp_server import McpServer, clash_with, named_tools
from tests.support.rows import each_row

OURS = "mcp__agent-orchestrator"


@each_row(
    "tools, expected",
    [
        (None, (OURS,)),
        ((), ()),
        (("Read", "mcp__agent-orchestrator-2__wait"), ()),
        (("Read", OURS), (OURS,)),
        ((f"{OURS}__wait_sessions", "Bash"), (f"{OURS}__wait_sessions",)),
    ],
)
def test_a_list_of_tools_must_name_the_server(
    tools: tuple[str, ...] | None, expected: tuple[str, ...]
) -> None:
    agent = Agent(name="lead", source=Path("agent.json"), tools=tools)
    assert named_tools(agent) == expected


def test_agent_without_a_definition_may_call_all_tools() -> None:
    assert named_tools(None) == (OURS,)


def test_clash_of_names_is_said() -> None:
    assert clash_with({"notes": {}}) is None
    assert "rename" in str(clash_with({"agent-orchestrator": {}}))


def test_token_is_in_the_header_and_in_no_text_of_the_object() -> None:
    server = McpServer(url="http://127.0.0.1:1/mcp", token="agent-secret")
    assert server.headers == {"Authorization": "Bearer agent-secret"}
    assert "agent-secret" not in repr(server)

"""The orchestrator's MCP server, as executors hand it to their agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent_orchestrator.agents.agent import Agent
from agent_orchestrator.executors.mcp_server import (
    TOOLS,
    McpServer,
    clash_of,
    given_to,
    named_tools,
    other_name,
)
from agent_session_manager.api.tools.table import BY_NAME
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


def test_named_tools_are_those_of_the_manager() -> None:
    assert set(TOOLS) == set(BY_NAME)


@each_row(
    "definition, is_given, clashes",
    [
        ({}, True, False),
        ({"mcp_servers": {"notes": {}}}, True, False),
        ({"mcp_servers": {"agent-orchestrator": {}}}, False, True),
        ({"tools": ("Read",)}, False, False),
        ({"tools": ("Read",), "mcp_servers": {"agent-orchestrator": {}}}, False, False),
    ],
)
def test_definition_decides_whether_its_agent_gets_the_server(
    definition: dict[str, Any], is_given: bool, clashes: bool
) -> None:
    server = McpServer(url="http://127.0.0.1:1/mcp", token="agent-secret")
    agent = Agent(name="lead", source=Path("agent.json"), **definition)
    assert (given_to(agent, server) is server) is is_given
    clash = clash_of(agent, server)
    assert ("rename" in clash if clash else False) is clashes
    assert (given_to(agent, None), clash_of(agent, None)) == (None, None)


def test_other_name_belongs_to_the_session() -> None:
    assert other_name("a") == other_name("a") != other_name("b")
    assert other_name("a").startswith("agent-orchestrator-")


def test_token_is_in_the_header_and_in_no_text_of_the_object() -> None:
    server = McpServer(url="http://127.0.0.1:1/mcp", token="agent-secret")
    assert server.headers == {"Authorization": "Bearer agent-secret"}
    assert "agent-secret" not in repr(server)

"""The MCP servers of a run: those of the agent definition, and the orchestrator's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..executors.base import Execution
from ..executors.mcp_server import NAME, clash_with, is_name_of_ours, named_tools


def servers_of(execution: Execution) -> dict[str, Any]:
    """Return the configurations of all servers by name, as in Claude Code's `.mcp.json`."""
    agent = execution.spec.agent
    servers = dict(agent.mcp_servers) if agent else {}
    if execution.mcp is not None and _is_given(execution):
        # Loaded at the start, not searched for: an agent must know that it can lead others.
        ours = {"type": "http", "url": execution.mcp.url, "headers": execution.mcp.headers}
        servers[NAME] = {**ours, "alwaysLoad": True}
    return servers


def clash_of(execution: Execution) -> str | None:
    """Return why the agent does not get the orchestrator's server, if the names clash."""
    agent = execution.spec.agent
    if execution.mcp is None or agent is None or not named_tools(agent):
        return None
    return clash_with(agent.mcp_servers)


def _is_given(execution: Execution) -> bool:
    has_tools = execution.mcp is not None and bool(named_tools(execution.spec.agent))
    return has_tools and clash_of(execution) is None


def arguments_of_servers(execution: Execution, files: Path) -> list[str]:
    """Return the CLI's arguments. The servers' secrets go into a file, which only we can read."""
    servers = servers_of(execution)
    if not servers:
        return []
    path = files / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}), "utf-8")
    return [f"--mcp-config={path}"]


def allowed_tools(execution: Execution) -> list[str]:
    """Return the rules for tools that need no permission of their own."""
    agent = execution.spec.agent
    patterns = [tool for tool in (agent and agent.tools) or () if "(" in tool]
    return [*patterns, *named_tools(agent)] if _is_given(execution) else patterns


def built_in_tools(tools: tuple[str, ...]) -> list[str]:
    """Return the names for the CLI's list of built-in tools, which takes neither patterns nor ours.

    Our server's tools are given by its configuration and by the rules.
    """
    names = dict.fromkeys(tool.partition("(")[0].strip() for tool in tools)
    return [name for name in names if not is_name_of_ours(name)]

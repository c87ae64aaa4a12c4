"""The MCP servers of a run: those of the agent definition, and the orchestrator's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..executors.base import Execution
from ..executors.mcp_server import NAME, given_to, is_name_of_ours, named_tools
from ..machine.environment import claude_dir
from .left_out_servers import left_out_servers


def servers_of(execution: Execution) -> dict[str, Any]:
    """Return the configurations of all servers by name, as in Claude Code's `.mcp.json`."""
    agent = execution.spec.agent
    servers = dict(agent.mcp_servers) if agent else {}
    if server := given_to(agent, execution.mcp):
        # Loaded at the start, not searched for: an agent must know that it can lead others.
        ours = {"type": "http", "url": server.url, "headers": server.headers}
        servers[NAME] = {**ours, "alwaysLoad": True}
    return servers


def expected_servers(execution: Execution) -> list[str]:
    """Return the names of servers that are missing if Claude Code does not report them."""
    folder = claude_dir(execution.environment)
    if not execution.environment.get("CLAUDE_CONFIG_DIR"):
        folder = folder.parent
    of_person = left_out_servers(execution.spec.project_dir, folder / ".claude.json")
    return [*servers_of(execution), *of_person]


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
    is_given = given_to(agent, execution.mcp) is not None
    return [*patterns, *named_tools(agent)] if is_given else patterns


def built_in_tools(tools: tuple[str, ...]) -> list[str]:
    """Return the names for the CLI's list of built-in tools, which takes neither patterns nor ours.

    Our server's tools are given by its configuration and by the rules.
    """
    names = dict.fromkeys(tool.partition("(")[0].strip() for tool in tools)
    return [name for name in names if not is_name_of_ours(name)]

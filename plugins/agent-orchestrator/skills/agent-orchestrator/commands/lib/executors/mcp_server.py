"""The orchestrator's own MCP server, which executors hand to their agents.

Its tools need no further permission: they reach only the sessions below the agent's own, and these
get at most the agent's permission mode. So an executor allows its agent to call them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # needed for the type only
    from ..agents.agent import Agent

NAME = "agent-orchestrator"
"""The name under which agents know the server."""
ALL_TOOLS = f"mcp__{NAME}"
"""Name of all its tools in agent definitions; a single tool has `__` and its name after it."""


@dataclass(frozen=True, kw_only=True)
class McpServer:
    """Address of the server for the agent of one run, with the agent's token.

    The server speaks streamable HTTP. The token gives access to the sessions of the run, so it must
    not be in an argument of a program: other users can read those.
    """

    url: str
    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """Headers that each request to the server needs."""
        return {"Authorization": f"Bearer {self.token}"}


def named_tools(agent: Agent | None) -> tuple[str, ...]:
    """Return the tools of the server that an agent may call, as names for permission rules.

    A definition that lists its `tools` must name the server or tools of it, as those of any other
    server. Without a list the agent may call all of them.
    """
    if agent is None or agent.tools is None:
        return (ALL_TOOLS,)
    return tuple(tool for tool in agent.tools if is_name_of_ours(tool))


def is_name_of_ours(tool: str) -> bool:
    """Return whether a name in an agent definition means the server or one of its tools."""
    return tool == ALL_TOOLS or tool.startswith(f"{ALL_TOOLS}__")


def clash_with(servers: Collection[str]) -> str | None:
    """Return the message for an agent definition whose own server has our name, else None.

    The server of the definition stays, and the agent does not get ours.
    """
    if NAME not in servers:
        return None
    return (
        f"the agent definition has an MCP server of its own that is named {NAME!r}, so the agent "
        "does not get the tools of the orchestrator: to have both, rename the definition's server"
    )

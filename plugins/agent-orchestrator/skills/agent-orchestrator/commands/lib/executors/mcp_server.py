"""The orchestrator's own MCP server, which executors hand to their agents.

Its tools need no further permission: they reach only the sessions below the agent's own, and these
get at most the agent's permission mode. So an executor allows its agent to call them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # needed for the type only
    from ..agents.agent import Agent

NAME = "agent-orchestrator"
"""The name under which agents know the server."""
TOOLS = (
    "start_session",
    "wait_sessions",
    "get_result",
    "list_sessions",
    "read_events",
    "send_message",
    "resume_session",
    "stop_session",
)
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
    def manager_url(self) -> str:
        """URL of the manager that serves it."""
        return self.url.removesuffix("/mcp")

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


def given_to(agent: Agent | None, server: McpServer | None) -> McpServer | None:
    """Return the server if the agent of a run gets it, else None."""
    has_tools = server is not None and bool(named_tools(agent))
    return server if has_tools and clash_of(agent, server) is None else None


def clash_of(agent: Agent | None, server: McpServer | None) -> str | None:
    """Return the message for an agent definition whose own server has our name, else None.

    The server of the definition stays, and the agent does not get ours.
    """
    if server is None or agent is None or NAME not in agent.mcp_servers or not named_tools(agent):
        return None
    return (
        f"the agent definition has an MCP server of its own that is named {NAME!r}, so the agent "
        "does not get the tools of the orchestrator: to have both, rename the definition's server"
    )


def other_name(session_id: str) -> str:
    """Return a name for the server in an agent where a person's own server has its usual one.

    It is the same in each run of the session, and no configuration has it by chance.
    """
    import hashlib  # late: few agents need another name

    return f"{NAME}-{hashlib.sha256(session_id.encode()).hexdigest()[:8]}"

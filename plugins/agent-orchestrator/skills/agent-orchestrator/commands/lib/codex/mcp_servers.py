"""The MCP servers of a thread: those of the agent definition, and the orchestrator's own.

Codex adds the values of a thread's server to those of the person's server of the same name, and
refuses the thread if one is a program and the other an address.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..executors.base import Execution
from ..executors.mcp_server import NAME, McpServer, clash_of, given_to, other_name
from ..machine.environment import ENV_RUN_TOKEN

Json = dict[str, Any]


def servers_of(execution: Execution, configured: Collection[str]) -> dict[str, Json]:
    """Return the servers of a thread by name; `configured` are those of the person's own."""
    agent = execution.spec.agent
    servers = {name: _in_words_of_codex(given) for name, given in _defined(execution).items()}
    server = given_to(agent, execution.mcp)
    if server is None:
        # The person's own would let the agent act as the person.
        return {NAME: {"enabled": False}, **servers} if NAME in configured else servers
    if NAME not in configured:
        return {**servers, NAME: _ours(server)}
    # The person's own would act as the person, beside ours.
    return {**servers, NAME: {"enabled": False}, other_name(execution.session_id): _ours(server)}


def started(servers: Mapping[str, Json]) -> set[str]:
    """Return the names of the servers that Codex starts."""
    return {name for name, server in servers.items() if server.get("enabled") is not False}


def notes_on(execution: Execution, configured: Collection[str]) -> Iterator[str]:
    """Yield what a person must know about servers of the same name."""
    agent = execution.spec.agent
    if clash := clash_of(agent, execution.mcp):
        yield clash
    if NAME in configured and given_to(agent, execution.mcp):
        yield (
            f"your own MCP server {NAME!r} is left out of this run: the run has its own server of "
            f"the orchestrator, named {other_name(execution.session_id)!r}"
        )
    elif NAME in configured and NAME not in _defined(execution):
        yield f"your own MCP server {NAME!r} is left out of this run, which has no such tools"
    for name in sorted(_defined(execution).keys() & set(configured)):
        yield (
            f"Codex adds the values of the definition's MCP server {name!r} to those of your own "
            "server of that name: to keep them apart, rename one of the two"
        )


def variables_of(execution: Execution) -> dict[str, str]:
    """Return the variables that Codex needs for the servers."""
    server = execution.mcp
    return {} if server is None else {ENV_RUN_TOKEN: server.token}


def _defined(execution: Execution) -> Mapping[str, Json]:
    agent = execution.spec.agent
    return agent.mcp_servers if agent else {}


def _ours(server: McpServer) -> Json:
    """Return the configuration of our server. Codex reads the token from its environment."""
    return {
        "url": server.url,
        "bearer_token_env_var": ENV_RUN_TOKEN,
        "default_tools_approval_mode": "approve",
    }


def _in_words_of_codex(given: Mapping[str, Any]) -> Json:
    server = {key: value for key, value in given.items() if key not in ("type", "headers")}
    if given.get("headers"):
        server["http_headers"] = given["headers"]
    return server

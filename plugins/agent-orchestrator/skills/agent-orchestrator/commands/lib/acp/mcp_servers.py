"""The MCP servers of a conversation: those of the agent definition, and the orchestrator's own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ..executors.base import Execution, ExecutorError
from ..executors.mcp_server import NAME, TOOLS, McpServer, clash_of, given_to, other_name
from ..machine.environment import PREFIX, run_variables
from .presets.preset import Mode, Preset

Json = dict[str, Any]

_PACKAGE_ROOT = Path(__file__).parents[2]
_AO_MCP = f"{__package__.rpartition('.')[0]}.cli.mcp"


class McpServers:
    """The servers of one run, and what keeps its agent from asking about our own tools."""

    def __init__(self, execution: Execution, preset: Preset) -> None:
        self._execution = execution
        self._preset = preset
        self._agent = execution.spec.agent
        self._ours = given_to(self._agent, execution.mcp)
        session_id = execution.session_id
        self._name = other_name(session_id) if preset.mcp_prefers_own else NAME

    @property
    def arguments(self) -> list[str]:
        """Further arguments of the agent's program."""
        given = self._preset.mcp_arguments if self._ours else ()
        return [each.replace("{server}", self._name) for each in given]

    def variables(self, mode: Mode) -> dict[str, str]:
        """Return the variables of a mode, with a rule for each of our tools."""
        variables = dict(mode.environment)
        name = self._preset.mcp_rules
        if name is not None and (tools := self._own_names()):
            rules = json.loads(variables.get(name, "{}"))
            variables[name] = json.dumps({**rules, **dict.fromkeys(sorted(tools), "allow")})
        return variables

    @property
    def allowed(self) -> frozenset[str]:
        """Names of tools whose calls are allowed if the agent asks about them."""
        is_told = self._preset.mcp_rules or self._preset.mcp_arguments
        return frozenset() if is_told else self._own_names()

    def _own_names(self) -> frozenset[str]:
        """Return the names of our tools, except those that may be of another server."""
        form = self._preset.mcp_tool_names
        if self._ours is None or form is None:
            return frozenset()

        def name(server: str, tool: str) -> str:
            return form.replace("{server}", server).replace("{tool}", tool)

        others = tuple(name(each, "") for each in self._agent.mcp_servers) if self._agent else ()
        names = (name(self._name, tool) for tool in TOOLS)
        return frozenset(each for each in names if not each.startswith(others))

    def in_words_of_the_protocol(self, capabilities: Json) -> list[Json]:
        """Return the servers for an agent with these capabilities.

        Raises:
            ExecutorError: the agent ignores a server of the definition.
        """
        found = [self._defined(name, server) for name, server in self._definitions().items()]
        if self._ours is not None:
            if self._has_http(capabilities):
                found.append(_over_http(self._name, self._ours.url, self._ours.headers))
            elif self._preset.mcp_over_stdio:
                found.append(self._over_stdio(self._ours))
        return found

    def note(self, capabilities: Json) -> str | None:
        """Return why the agent does not get our server, or None."""
        if clash := clash_of(self._agent, self._execution.mcp):
            return clash
        if self._ours and not (self._preset.mcp_over_stdio or self._has_http(capabilities)):
            return (
                f"{self._preset.agent} takes no MCP server over HTTP, so it does not get the tools "
                "of the orchestrator: update it"
            )
        return None

    def _has_http(self, capabilities: Json) -> bool:
        match capabilities:
            case {"mcpCapabilities": {"http": True}}:
                return True
        return False

    def _definitions(self) -> dict[str, Any]:
        return self._agent.mcp_servers if self._agent else {}

    def _defined(self, name: str, server: Json) -> Json:
        if "command" not in server:
            kind = str(server.get("type") or "http")
            headers = server.get("headers")
            return {**_over_http(name, str(server.get("url")), headers), "type": kind}
        if not self._preset.mcp_over_stdio:
            raise ExecutorError(
                f"{self._preset.agent} ignores MCP servers over stdio: remove {name!r}, or "
                "serve it over HTTP"
            )
        return {
            "name": name,
            "command": str(server["command"]),
            "args": [str(each) for each in server.get("args") or ()],
            "env": _pairs(server.get("env")),
        }

    def _over_stdio(self, server: McpServer) -> Json:
        """Return `ao-mcp`, which passes all calls on. It starts in the project, so it needs -P."""
        environment = self._execution.environment
        variables = {
            **{name: value for name, value in environment.items() if name.startswith(PREFIX)},
            **run_variables(server.token, server.manager_url),
            "PYTHONPATH": str(_PACKAGE_ROOT),
        }
        return {
            "name": self._name,
            "command": sys.executable,
            "args": ["-P", "-m", _AO_MCP],
            "env": _pairs(variables),
        }


def _over_http(name: str, url: str, headers: Any) -> Json:
    return {"type": "http", "name": name, "url": url, "headers": _pairs(headers)}


def _pairs(values: Any) -> list[Json]:
    pairs = values.items() if isinstance(values, dict) else ()
    return [{"name": name, "value": str(value)} for name, value in pairs]

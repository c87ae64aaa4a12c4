"""The requests that open the thread of a run, and the permissions that they set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..events.prepare import storable
from ..executors.base import Execution
from ..executors.permission_modes import effective_mode

Json = dict[str, Any]


class Permissions(NamedTuple):
    """When Codex asks, and what a command may do without being asked about."""

    approval_policy: str
    sandbox: str


PERMISSIONS: Mapping[str, Permissions] = {
    "default": Permissions("on-request", "read-only"),
    "acceptEdits": Permissions("on-request", "workspace-write"),
    "plan": Permissions("never", "read-only"),
    "dontAsk": Permissions("never", "read-only"),
    "bypassPermissions": Permissions("never", "danger-full-access"),
}
"""By permission mode. `auto` has no counterpart: its reviewer would be a model of Codex."""


def thread_request(execution: Execution) -> tuple[str, Json]:
    """Return the method and the parameters with which the thread of a run is opened.

    The permissions are always set, as a resumed thread would otherwise have those of the person's
    own settings.
    """
    continues = execution.continues
    params = _settings(execution)
    if continues.fork_of is not None:
        source = continues.conversation_id or continues.fork_of
        return "thread/fork", {**params, "threadId": source, "excludeTurns": True}
    if continues.resume:
        thread = continues.conversation_id or execution.session_id
        return "thread/resume", {**params, "threadId": thread, "excludeTurns": True}
    return "thread/start", params


def _settings(execution: Execution) -> Json:
    spec, agent = execution.spec, execution.spec.agent
    permissions = PERMISSIONS[effective_mode(spec.executor, spec.permission_mode, agent)]
    params: Json = {
        "cwd": str(spec.project_dir),
        "approvalPolicy": permissions.approval_policy,
        "approvalsReviewer": "user",
        "sandbox": permissions.sandbox,
    }
    if model := spec.model or (agent and agent.model):
        params["model"] = model
    if agent is not None and agent.system_prompt is not None:
        params["developerInstructions"] = storable(agent.system_prompt)
    if agent is not None and agent.mcp_servers:
        servers = {name: _server(given) for name, given in agent.mcp_servers.items()}
        params["config"] = {"mcp_servers": servers}
    return params


def _server(given: Mapping[str, Any]) -> Json:
    """Return the configuration of an MCP server in the words of Codex."""
    server = {key: value for key, value in given.items() if key not in ("type", "headers")}
    if given.get("headers"):
        server["http_headers"] = given["headers"]
    return server

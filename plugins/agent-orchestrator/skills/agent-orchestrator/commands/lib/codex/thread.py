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


def thread_request(execution: Execution, servers: Mapping[str, Json]) -> tuple[str, Json]:
    """Return the method and the parameters with which the thread of a run is opened.

    `servers` are its MCP servers by name, in the words of Codex.

    The permissions are always set, as a resumed thread would otherwise have those of the person's
    own settings.
    """
    continues = execution.continues
    params = _settings(execution, servers)
    if continues.fork_of is not None:
        source = continues.conversation_id or continues.fork_of
        return "thread/fork", {**params, "threadId": source, "excludeTurns": True}
    if continues.resume:
        thread = continues.conversation_id or execution.session_id
        return "thread/resume", {**params, "threadId": thread, "excludeTurns": True}
    return "thread/start", params


def _settings(execution: Execution, servers: Mapping[str, Json]) -> Json:
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
    if servers:
        params["config"] = {"mcp_servers": servers}
    return params

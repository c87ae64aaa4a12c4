"""Agent definitions as folders: `agent.json` and a prompt next to it."""

from __future__ import annotations

import json
from pathlib import Path

from .agent import Fields, mapping_of, text_of

AGENT_JSON_KEYS = frozenset(
    [
        "name",
        "description",
        "executor",
        "command",
        "model",
        "tools",
        "disallowed_tools",
        "permission_mode",
    ]
)


def fields_of_folder(source: Path) -> Fields:
    fields = _json_object(source)
    if unknown := sorted(fields.keys() - AGENT_JSON_KEYS):
        known = ", ".join(sorted(AGENT_JSON_KEYS))
        raise ValueError(f"unknown key {unknown[0]!r}; known keys: {known}")
    prompt = source.with_name("agent.system-prompt.md")
    if prompt.exists():
        fields["system_prompt"] = text_of(prompt) or None
    servers = source.with_name("agent.mcp.json")
    if servers.exists():
        try:
            fields["mcp_servers"] = mapping_of(_json_object(servers), "mcpServers")
        except ValueError as exc:
            raise ValueError(f"{servers.name}: {exc}") from exc
    return fields


def _json_object(source: Path) -> Fields:
    fields = json.loads(text_of(source))
    if not isinstance(fields, dict):
        raise ValueError("must be a JSON object")
    return fields

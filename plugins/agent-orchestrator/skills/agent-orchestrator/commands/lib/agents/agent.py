"""The content of an agent definition, in any format."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..shared.text_encoding import utf_8_text

MAX_FILE_BYTES = 1 << 20
"""Claude Code ignores a larger definition."""
Fields = dict[str, Any]
"""The fields of a definition, before they are checked."""


class AgentError(Exception):
    """An error: an agent definition is not valid, or no agent has that name."""

    def __init__(self, name: str, problem: str, source: Path | None = None) -> None:
        super().__init__(f"{source}: {problem}" if source else problem)
        self.name = name
        self.source = source
        self.is_of_the_name = source is not None and source.name == "agent.json"
        """True if it hides other agents of its name, which a Markdown file cannot do."""


@dataclass(frozen=True, kw_only=True)
class Agent:
    """A named definition that an executor applies to a run."""

    name: str
    source: Path
    """The file that defines it."""
    description: str = ""
    executor: str | None = None
    command: tuple[str, ...] = ()
    system_prompt: str | None = None
    tools: tuple[str, ...] | None = None
    """The only tools of the agent; `None` allows all tools, an empty tuple allows none."""
    disallowed_tools: tuple[str, ...] = ()
    model: str | None = None
    permission_mode: str | None = None
    mcp_servers: dict[str, Any] = field(default_factory=dict)
    """Configurations by name, as in `mcpServers` of Claude Code's `.mcp.json`."""


@dataclass(frozen=True, kw_only=True)
class AgentListing:
    """All agents that can be used, and the errors of the others."""

    agents: tuple[Agent, ...]
    errors: tuple[AgentError, ...]


def text_of(source: Path, *, errors: str = "strict") -> str:
    """Return the text of a small regular file; refuse others, as a pipe can block its reader."""
    descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        content = opened.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES >> 20} MiB")
    is_strict = errors == "strict"  # otherwise it is read as Claude Code reads it
    text = utf_8_text(content) if is_strict else content.decode("utf-8-sig", errors)
    return text.replace("\r\n", "\n")


def agent_from(source: Path, fields: Fields) -> Agent:
    model = _text(fields, "model")
    command = _texts(fields, "command") or ()
    return Agent(
        name=_text(fields, "name") or "",
        source=source,
        description=_text(fields, "description") or "",
        executor=_text(fields, "executor") or ("command" if command else None),
        command=command,
        system_prompt=_text(fields, "system_prompt"),
        tools=_texts(fields, "tools"),
        disallowed_tools=_texts(fields, "disallowed_tools") or (),
        model=None if model == "inherit" else model,
        permission_mode=_text(fields, "permission_mode"),
        mcp_servers=mapping_of(fields, "mcp_servers"),
    )


def _text(fields: Fields, key: str) -> str | None:
    value = fields.get(key)
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    raise ValueError(f"{key} must be a non-empty string")


def _texts(fields: Fields, key: str) -> tuple[str, ...] | None:
    value = fields.get(key)
    if value is None or value == ["*"]:
        return None
    if isinstance(value, list) and all(isinstance(text, str) and text for text in value):
        return tuple(value)
    raise ValueError(f"{key} must be a list of non-empty strings")


def mapping_of(fields: Fields, key: str) -> Fields:
    value = fields.get(key, {})
    if isinstance(value, dict) and all(isinstance(server, dict) for server in value.values()):
        return value
    raise ValueError(f"{key} must map names to objects")

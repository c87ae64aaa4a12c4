"""MCP servers of a person's own files that Claude Code leaves out without a word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..agents.agent import text_of


def left_out_servers(project_dir: Path, user_file: Path) -> list[str]:
    """Return the names of servers with a value in `env` or `headers` that is not a string.

    Claude Code finds servers in `.mcp.json` of the project and of each directory above it, and in
    the user's file, for all projects and for the repository of `project_dir`. It reports neither
    those that it leaves out nor those that a person has disabled; the latter are not among these.
    """
    folders = (project_dir, *project_dir.parents)
    repository = next((each for each in folders if (each / ".git").exists()), project_dir)
    of_user = _read(user_file)
    of_project = _part(_part(of_user, "projects"), str(repository))
    places = [*(_read(each / ".mcp.json") for each in folders), of_user, of_project]
    return [name for place in places for name in _odd(_part(place, "mcpServers"))]


def _read(path: Path) -> Any:
    """Return the content of a file; None if it does not exist or cannot be read."""
    try:
        return json.loads(text_of(path))
    except (OSError, ValueError, RecursionError):
        return None


def _part(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _odd(servers: Any) -> Iterator[str]:
    for name, server in servers.items() if isinstance(servers, dict) else ():
        maps = (_part(server, "env"), _part(server, "headers"))
        values = [value for found in maps if isinstance(found, dict) for value in found.values()]
        if not all(isinstance(value, str) for value in values):
            yield name

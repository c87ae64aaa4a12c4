"""Imports the Claude Agent SDK, in a supervisor without the MCP library.

The SDK imports `mcp` for MCP servers inside its own process. A supervisor has none: Claude Code
starts the servers of an agent definition itself. Without `mcp` and its dependencies a supervisor
needs half of the memory.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

_LEFT_OUT = (
    "mcp",
    "mcp.server",
    "mcp.shared",
    "mcp.shared.memory",
    "mcp.shared.message",
    "mcp.types",
)


class _Absent:
    """Stands for any class of the library. A class may extend it, but it has no objects."""

    def __init_subclass__(cls, **_: Any) -> None:
        pass

    def __new__(cls, *_: Any, **__: Any) -> _Absent:
        raise RuntimeError("a supervisor has no MCP servers in its own process")


class _Placeholder(ModuleType):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Absent,), {})


def leave_out_mcp() -> None:
    """Have `import mcp` find placeholders in this process from now on."""
    if "mcp" in sys.modules:
        return
    for name in _LEFT_OUT:
        module = sys.modules[name] = _Placeholder(name)
        package, _, part = name.rpartition(".")
        if package:
            setattr(sys.modules[package], part, module)


def import_sdk() -> None:
    """Import the SDK; with the whole `mcp` if a version of the SDK cannot do without.

    Raises:
        ImportError: the SDK is not installed.
    """
    try:
        import claude_agent_sdk as claude_agent_sdk
    except Exception:  # whatever the SDK does with a placeholder; without one this is the end
        if not isinstance(sys.modules.get("mcp"), _Placeholder):
            raise
        for name in [*sys.modules]:
            if name.partition(".")[0] in ("mcp", "claude_agent_sdk"):
                del sys.modules[name]
        import claude_agent_sdk as claude_agent_sdk

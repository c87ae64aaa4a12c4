"""Options of an export: which events and texts it contains, in any format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent_session_manager.domain.events.event import THINKING_BLOCKS

Event = Mapping[str, Any]
"""An event with the fields that any client of the manager gets.

An executor, an importer or another client wrote most fields, so each of them can have any type.
"""

_OF_TOOLS = frozenset(
    {"pre_tool", "post_tool", "permission_denied", "subagent_start", "subagent_stop"}
)


class ExportFormat(StrEnum):
    """The form of an export."""

    MARKDOWN = "markdown"
    HTML = "html"
    JSONL = "jsonl"


class ExportedTools(StrEnum):
    """The part of tool calls that an export contains."""

    NONE = "none"
    NAMES = "names"
    FULL = "full"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The content of an export. `max_output` is in bytes of UTF-8; None cuts nothing."""

    thinking: bool = False
    tools: ExportedTools = ExportedTools.FULL
    max_output: int | None = None

    def leaves_out(self, event: Event) -> bool:
        """Return whether an export does not contain an event. Subagents are part of a call."""
        kind = event.get("event_type")
        if kind == "thinking":
            return not self.thinking
        is_of_tools = kind in _OF_TOOLS or parent_of(event) is not None
        return is_of_tools and self.tools is ExportedTools.NONE

    def leaves_out_block(self, block: Any) -> bool:
        """Return whether an export does not contain a block of a message."""
        kind = block.get("type") if isinstance(block, Mapping) else None
        return not self.thinking and isinstance(kind, str) and kind in THINKING_BLOCKS


def parent_of(event: Event) -> str | None:
    """Return the call whose subagent an event belongs to."""
    return string(event.get("parent_tool_use_id"))


def string(value: Any) -> str | None:
    """Return a value if it is a text that is not empty."""
    return value if isinstance(value, str) and value else None

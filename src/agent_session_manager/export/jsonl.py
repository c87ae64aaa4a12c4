"""Events as JSON lines, each as the manager returns it, without what an export leaves out."""

from __future__ import annotations

import json
from typing import Any

from agent_session_manager.export.document.options import ExportedTools, Options
from agent_session_manager.export.document.text import cut, json_text

_OF_CALLS = ("tool_input", "tool_output", "diff")


def line(event: dict[str, Any], given: bytes, options: Options) -> bytes:
    """Return the line for an event, whose JSON is `given`; empty if it is left out."""
    if options.leaves_out(event):
        return b""
    changed = _changed(event, options)
    return (given if changed == event else _dumped(changed)) + b"\n"


def _changed(event: dict[str, Any], options: Options) -> dict[str, Any]:
    """Return a copy of an event, without what an export leaves out."""
    event = dict(event)
    content = event.get("content")
    if isinstance(content, list):
        event["content"] = [block for block in content if not options.leaves_out_block(block)]
    is_result = event.get("event_type") in ("post_tool", "permission_denied")
    if options.tools is not ExportedTools.FULL:
        for name in _OF_CALLS:
            event.pop(name, None)
        if is_result and event.get("error"):
            event["error"] = "the call failed"
        if event.get("event_type") == "subagent_stop":
            event.pop("content", None)
    elif options.max_output is not None and is_result:
        for name in ("tool_output", "error"):
            if event.get(name) is not None:
                event[name] = _cut(event[name], options.max_output)
    return event


def _cut(value: Any, most_bytes: int) -> Any:
    """Return an output; one with more bytes becomes a text without its middle."""
    if isinstance(value, str):
        return cut(value, most_bytes)
    whole = _dumped(value)
    return value if len(whole) <= most_bytes else cut(_text(value), most_bytes)


def _text(value: Any) -> str:
    """Return the texts of an output of blocks, or any other output as JSON."""
    blocks = value if isinstance(value, list) else []
    texts = [block.get("text") if isinstance(block, dict) else None for block in blocks]
    whole = [text for text in texts if isinstance(text, str)]
    return "\n".join(whole) if whole and len(whole) == len(blocks) else json_text(value)


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")

"""Tool calls of a rollout: their input, their output, and whether they failed."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from ....events.cut_text import join_texts
from ..fields import (
    Fields,
    Json,
    as_record,
    optional_id,
    optional_record,
    optional_text,
    parse_json,
    records,
    text,
)
from .messages import list_blocks

FAILED = "the tool failed"
_MCP = "mcp__"
_EXIT_CODE = re.compile(r"(?:Process exited with code|Exit code:) (-?\d{1,10})")
_ABORTED = "aborted by user"
_OUTPUT_MARK = "Output:"
_HEADER_LINES = 8
_REFUSALS = (
    "unsupported call: ",
    "apply_patch verification failed",
    "exec_command failed",
    "failed to parse function arguments",
    "unable to locate image",
    "execution error: ",
    "tool call error: ",
)
"""Beginnings of outputs that Codex writes itself. They have no other mark of a failure."""


class Call(NamedTuple):
    """A tool call. Without an id of its own it takes that of its place."""

    call_id: str | None
    name: str
    arguments: dict[str, Json]


def read_call(record: Fields) -> Call:
    """Return the call that a record of one of the `*_call` types describes."""
    call_id = optional_id(record, "call_id") or optional_id(record, "id")
    match record.get("type"):
        case "custom_tool_call":
            return Call(call_id, _name(record), {"input": record.get("input")})
        case "local_shell_call":
            return Call(call_id, "local_shell", _without_type(optional_record(record, "action")))
        case "web_search_call":
            return Call(call_id, "web_search", dict(optional_record(record, "action")))
        case "tool_search_call":
            return Call(call_id, "tool_search", _arguments(record.get("arguments")))
        case "image_generation_call":
            words = optional_text(record, "revised_prompt")
            return Call(call_id, "image_generation", {"prompt": words} if words else {})
        case _:
            return Call(call_id, _name(record), _arguments(record.get("arguments")))


def _name(record: Fields) -> str:
    """Return the name of a tool; that of an MCP server includes the server."""
    name, namespace = text(record, "name"), optional_text(record, "namespace") or ""
    return f"{namespace.rstrip('_')}__{name}" if namespace.startswith(_MCP) else name


def _arguments(value: Json) -> dict[str, Json]:
    """Return the arguments of a call. Those that are not an object stay under one key."""
    if isinstance(value, str):
        try:
            parsed = parse_json(value)
            json.dumps(parsed, allow_nan=False)  # NaN is not JSON, and 1e400 is too large for it
        except (ValueError, RecursionError):
            parsed = None
        value = parsed if isinstance(parsed, dict) else value
    if value is None or value == "":
        return {}
    return value if isinstance(value, dict) else {"arguments": value}


def _without_type(action: Fields) -> dict[str, Json]:
    return {key: value for key, value in action.items() if key != "type" and value is not None}


def read_output(record: Fields) -> tuple[Json, str | None]:
    """Return the output of a call, and its error if the output shows one."""
    if record.get("type") == "tool_search_output":
        return [tool.get("name") for tool in records(record, "tools")], None
    output = record.get("output")
    is_failure = False
    if isinstance(output, dict):
        is_failure = output.get("success") is False
        output = output.get("content") if "content" in output else output
    if isinstance(output, list):
        output = list_blocks(output)
    if isinstance(output, str):
        error = _error(output)
        return output, error or (output or FAILED if is_failure else None)
    return output, FAILED if is_failure else None


def _error(output: str) -> str | None:
    """Return the error that the head of an output tells."""
    if output.startswith(_REFUSALS):
        return output
    if output.startswith("{"):
        return _exit_error(_shell_exit_code(output))
    for line in output[:2000].splitlines()[:_HEADER_LINES]:
        if line.startswith(_OUTPUT_MARK):
            break
        if line.startswith(_ABORTED):
            return line
        if found := _EXIT_CODE.fullmatch(line):
            return _exit_error(int(found[1]))
    return None


def _shell_exit_code(output: str) -> Json:
    """Return the exit code in the output of the older shell tool, which is JSON."""
    try:
        metadata = json.loads(output).get("metadata")
    except (ValueError, RecursionError):
        return None
    return metadata.get("exit_code") if isinstance(metadata, dict) else None


def _exit_error(exit_code: Json) -> str | None:
    return f"exit code {exit_code}" if type(exit_code) is int and exit_code != 0 else None


def read_failure(record: Fields) -> tuple[str | None, str | None]:
    """Return the id and the error of a call whose end an event describes.

    The event precedes the output, and is the only one that always has the exit code.
    """
    match record.get("type"):
        case "item_completed":
            return _item_failure(as_record(record.get("item"), "item"))
        case "patch_apply_end" if record.get("success") is False:
            return optional_id(record, "call_id"), optional_text(record, "stderr") or FAILED
        case "mcp_tool_call_end":
            return optional_id(record, "call_id"), _mcp_error(record.get("result"))
    return None, None


def _item_failure(item: Fields) -> tuple[str | None, str | None]:
    if item.get("status") not in ("failed", "declined"):
        return None, None
    error = item.get("error")
    words = error.get("message") if isinstance(error, dict) else error
    reason = _exit_error(item.get("exit_code")) or (words if isinstance(words, str) else None)
    return optional_id(item, "id"), reason or _texts(item.get("result")) or FAILED


def _texts(answer: Json) -> str:
    """Return the texts in the answer of an MCP server."""
    content = answer.get("content") if isinstance(answer, dict) else None
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return join_texts(words for words in texts if isinstance(words, str))


def _mcp_error(result: Json) -> str | None:
    if not isinstance(result, dict):
        return None
    if isinstance(result.get("Err"), str):
        return result["Err"] or FAILED
    answer = result.get("Ok")
    if isinstance(answer, dict) and True in (answer.get("isError"), answer.get("is_error")):
        return _texts(answer) or FAILED
    return None

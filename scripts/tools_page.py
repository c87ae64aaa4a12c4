"""Writes the page of the tools for agents from their own descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent_session_manager.api.tools.table import TOOLS, Tool
from scripts.page_text import cell, filled

INTRODUCTION = """\
# Tools for agents

This page lists the tools that an agent calls over the Model Context Protocol (MCP) to start and
lead other sessions. [Lead sessions with tools](../how-to/lead-sessions-with-tools.md) shows how an
agent, an editor or your own Claude Code gets them.

The manager serves them at `POST /mcp` as stateless streamable HTTP, in every revision of the
protocol that the `mcp` package speaks. The token is the agent token of a run, and decides which
sessions a call reaches: the own session and those below it to read, and those below it to message,
resume and stop. There is no tool to delete, rename or archive a session, and none that answers a
question for a person. `ao-mcp` has the same tools over stdio.

A result is JSON in a text. Texts of other agents are values in it, cut to a length. An error has
`isError`, and a code and a message: `{"error": {"code": "name_taken", "message": "…"}}`. An unknown
argument is an error."""

ERRORS = {
    "invalid_arguments": "an argument is missing, unknown or out of its bounds",
    "session_not_found": "no session with this id or name is your own or below it",
    "several_sessions": "several sessions have the name; the message has their ids",
    "own_session": "a session cannot wait for, message, resume or stop itself",
    "name_taken": "another session has the name, or you have started it with another prompt",
    "not_started": "the session cannot be started; the message says why",
    "too_many_levels": "the session would be more than 5 levels below that of a person",
    "not_finished": "the session is running, so it has no result yet",
    "session_running": "the session is running, so it cannot be resumed",
    "not_newest_run": "the session has a newer run than `after_run`",
    "not_running": "the session has ended, so it takes no message",
    "not_taken": "the agent has not taken the message; the message says why",
    "run_ended": "your own run has ended or was lost, so nothing can be started",
    "not_a_run": "`POST /mcp` starts sessions only for agents inside a run; use `ao-mcp`",
    "manager_unavailable": "the manager does not answer; try again",
}
"""Codes of the tools' own errors. Others are those of the HTTP API."""


def tools_page() -> str:
    rows = (f"| `{code}` | {cell(meaning)} |" for code, meaning in ERRORS.items())
    return "\n\n".join(
        (
            *map(filled, INTRODUCTION.split("\n\n")),
            "\n".join(("| tool | only reads | can be repeated |", "|---|---|---|", *_overview())),
            *(part for tool in TOOLS for part in _section(tool)),
            "## Errors",
            "\n".join(("| code | meaning |", "|---|---|", *rows)),
            filled("Other codes are those of the [HTTP API](errors.md)."),
        )
    )


def _overview() -> Iterator[str]:
    for tool in TOOLS:
        marks = (tool.reads_only, tool.is_idempotent)
        reads, repeats = ("yes" if is_so else "no" for is_so in marks)
        yield f"| [`{tool.name}`](#{tool.name}) | {reads} | {repeats} |"


def _section(tool: Tool) -> Iterator[str]:
    yield f"## `{tool.name}`"
    yield filled(tool.description)
    schema = tool.schema
    required = set(schema.get("required", ()))
    rows = [
        f"| `{name}` | {_kind(field)} | {_default(name, field, required)} "
        f"| {cell(field.get('description', ''))} |"
        for name, field in schema["properties"].items()
    ]
    yield "\n".join(("| argument | type | default | meaning |", "|---|---|---|---|", *rows))


def _kind(field: dict[str, Any]) -> str:
    options = [each for each in field.get("anyOf", [field]) if each.get("type") != "null"]
    (own,) = options
    if "enum" in own:
        return " or ".join(f"`{value}`" for value in own["enum"])
    if "$ref" in own:
        return "a state"
    kind = {"array": "list"}.get(own["type"], str(own["type"]))
    low = own.get("minimum", own.get("minLength", own.get("minItems")))
    high = own.get("maximum", own.get("maxLength", own.get("maxItems")))
    if high is None or high > 2**53:
        return kind
    unit = {"string": " characters", "list": " items"}.get(kind, "")
    return f"{kind}, {0 if low is None else low:,} to {high:,}{unit}"


def _default(name: str, field: dict[str, Any], required: set[str]) -> str:
    if name in required:
        return "required"
    default = field.get("default")
    return "none" if default is None else f"`{default}`"

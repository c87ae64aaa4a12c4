"""The names of the commands, in groups, and arguments with which each acts."""

from __future__ import annotations

from pathlib import Path

from agent_orchestrator.console import command_table

COMMANDS = (
    Path(__file__).parents[2] / "plugins/agent-orchestrator/skills/agent-orchestrator/commands"
)
NEED_AN_AGENT = ("ao-mcp", "ao-new", "ao-resume")
NEED_A_MANAGER = (
    *(
        "ao-answer",
        "ao-clean",
        "ao-dashboard",
        "ao-get-result",
        "ao-list-sessions",
        "ao-logs",
        "ao-rename",
    ),
    *(
        "ao-export",
        "ao-import",
        "ao-permit",
        "ao-search",
        "ao-send",
        "ao-status",
        "ao-stop",
        "ao-usage",
    ),
    "ao-wait",
)
NEED_A_RUN = ("ao-answer", "ao-permit", "ao-send")
"""Fail without a run that takes what they send."""
NEED_NOTHING = ("ao-completion", "ao-list-agents", "ao-show-config")
LIGHT = (*(name for name in NEED_A_MANAGER if name != "ao-import"), *NEED_NOTHING)
ALL = ("ao", *NEED_AN_AGENT, *LIGHT, "ao-doctor", "ao-import")
TAKE_NO_SESSION = (
    *(
        "ao",
        "ao-completion",
        "ao-doctor",
        "ao-import",
        "ao-list-agents",
        "ao-list-sessions",
        "ao-mcp",
    ),
    *("ao-show-config", "ao-usage"),
)


def module_of(command: str) -> str:
    """Return the name of a command's module."""
    return command_table.module_of(command.removeprefix("ao-"))


def arguments_of(command: str) -> list[str]:
    """Return the minimum of arguments with which the command acts."""
    if command == "ao-new":
        return ["x", "--executor", "command", "--", "true"]
    if command == "ao-completion":
        return ["--list", "sessions"]
    if command == "ao-dashboard":
        return ["--print"]
    if command == "ao-rename":
        return ["x", "y"]
    if command == "ao-permit":
        return ["x", "--allow"]
    if command in ("ao-answer", "ao-send"):
        return ["x", "-p", "hi"]
    return [] if command in TAKE_NO_SESSION else ["x"]

"""The executors by name; each one's module is imported when it is wanted."""

from __future__ import annotations

from .base import Event, Executor, ExecutorError, RunSpec

__all__ = ["EXECUTORS", "Event", "Executor", "ExecutorError", "RunSpec", "create_executor"]

EXECUTORS = ("claude", "command")


def create_executor(spec: RunSpec) -> Executor:
    """Return the executor that a spec names.

    Raises:
        ExecutorError: there is none of that name.
    """
    match spec.executor:
        case "claude":
            from .claude import ClaudeExecutor

            return ClaudeExecutor(spec)
        case "command":
            from .command import CommandExecutor

            return CommandExecutor(spec)
    raise ExecutorError(f"no executor {spec.executor!r}; there are: {', '.join(EXECUTORS)}")

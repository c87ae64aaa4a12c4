"""The executors by name; each one's module is imported when it is wanted."""

from __future__ import annotations

from ..executors.base import Executor, ExecutorError, RunSpec

EXECUTORS = ("claude", "command")


def create_executor(spec: RunSpec) -> Executor:
    """Return the executor that a spec names.

    Raises:
        ExecutorError: there is none of that name.
    """
    match spec.executor:
        case "claude":
            from ..claude.executor import ClaudeExecutor

            return ClaudeExecutor(spec)
        case "command":
            from ..executors.command import CommandExecutor

            return CommandExecutor(spec)
    raise ExecutorError(f"no executor {spec.executor!r}; there are: {', '.join(EXECUTORS)}")

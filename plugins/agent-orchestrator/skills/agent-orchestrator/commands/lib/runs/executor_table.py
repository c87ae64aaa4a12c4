"""The executors by name; each one's module is imported when it is wanted."""

from __future__ import annotations

from ..executors.base import Execution, Executor, ExecutorError

EXECUTORS = ("claude", "command")


def create_executor(execution: Execution) -> Executor:
    """Return the executor that the spec of a run names.

    Raises:
        ExecutorError: there is none of that name.
    """
    match execution.spec.executor:
        case "claude":
            from ..claude.executor import ClaudeExecutor

            return ClaudeExecutor(execution)
        case "command":
            from ..executors.command import CommandExecutor

            return CommandExecutor(execution)
    known = ", ".join(EXECUTORS)
    raise ExecutorError(f"no executor {execution.spec.executor!r}; there are: {known}")

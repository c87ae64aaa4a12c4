"""The executors by name. The module of an executor is imported on its first use."""

from __future__ import annotations

from ..executors.base import Execution, Executor, ExecutorError

EXECUTORS = ("claude", "command")
CANNOT_ASK = frozenset({"command"})
"""Executors whose agents ask nothing."""


def create_executor(execution: Execution) -> Executor:
    """Return the executor that the spec of a run names.

    Raises:
        ExecutorError: no executor has that name.
    """
    match execution.spec.executor:
        case "claude":
            from ..claude.executor import ClaudeExecutor

            return ClaudeExecutor(execution)
        case "command":
            from ..executors.command import CommandExecutor

            return CommandExecutor(execution)
    known = ", ".join(EXECUTORS)
    raise ExecutorError(f"unknown executor {execution.spec.executor!r}; known executors: {known}")

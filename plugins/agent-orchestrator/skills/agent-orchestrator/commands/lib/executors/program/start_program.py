"""Starts the program of an agent in the directory of its project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...machine.processes import Child
from ..base import Execution, ExecutorError
from .exec_error import explain


class NotStartedError(ExecutorError):
    """The system could not start the program."""


async def start_program(
    command: Sequence[str], execution: Execution, environment: Mapping[str, str]
) -> Child:
    """Start a program for a run, with exactly this environment.

    Raises:
        ExecutorError: the directory of the project does not exist.
        NotStartedError: the program is missing or cannot be used.
    """
    directory = execution.spec.project_dir
    if not directory.is_dir():
        raise ExecutorError(f"the project directory {directory} does not exist")
    try:
        return await Child.start(
            command, environment=environment, directory=directory, spared=execution.spared
        )
    except (OSError, ValueError) as exc:
        why = explain(command[0], exc, directory=directory, environment=environment)
        raise NotStartedError(why) from exc

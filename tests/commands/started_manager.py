"""The manager that a command starts, and programs in its place."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent_session_manager.machine.discovery import Announcement, find_manager
from tests.commands.shell import Shell

PORT = 8765


def manager_in(state_dir: Path) -> Announcement:
    found = find_manager(state_dir, PORT)
    assert found is not None
    return found


def started(command: str, state_dir: Path) -> str:
    """Return the message of a command that has started the manager."""
    return (
        f"{command}: started a session manager (process {manager_in(state_dir).pid}); "
        f"its log is {state_dir}/manager-8765.log\n"
    )


@contextmanager
def python_program(shell: Shell, source: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a Python program in the shell's network and environment, and kill it at the end."""
    process = subprocess.Popen(
        [*shell.prefix, sys.executable, "-c", source, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=shell.directory,
        env=shell.environment,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()

"""The manager that a command starts, and programs in its place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
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


MANAGE = """
import json, os, signal, sys
import agent_session_manager.serve
from agent_session_manager.cli.main import main
signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # it waits for them
told = []
for arguments in json.loads(sys.argv[1]):
    output = os.memfd_create("output")
    if os.fork() == 0:
        os.dup2(output, 1), os.dup2(output, 2)
        main(arguments)
    code = os.waitstatus_to_exitcode(os.wait()[1])
    told.append([code, os.pread(output, 10**6, 0).decode()])
print(json.dumps(told))
"""


def manage_in(shell: Shell, *commands: Sequence[str]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Run commands of `agent-session-manager` in forks of one process of the shell.

    Return their exit codes, and all that each has printed.
    """
    told = json.loads(shell.output_of(MANAGE, json.dumps(commands)))
    return tuple(code for code, _ in told), tuple(output for _, output in told)


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

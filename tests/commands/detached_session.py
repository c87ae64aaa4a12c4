"""A detached session whose program waits at the gate."""

from __future__ import annotations

from pathlib import Path

from tests.commands.shell import DONE, Shell
from tests.support.gate import Gate, pids_in, waiting_program
from tests.support.waiting import wait_for


def start_detached(
    shell: Shell, name: str, started: Path, gate: Gate, *options: str
) -> tuple[str, int]:
    """Start a session whose program waits at the gate; return its id and the program's pid."""
    before = len(pids_in(started, 0) or [])
    program = waiting_program(started, gate)
    arguments = (name, "-p", "hi", "--detach", *options, "--executor", "command", "--", *program)
    ended = shell.run("ao-new", *arguments)
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    pids = wait_for(lambda: pids_in(started, before + 1), "the program runs")
    return ended.stdout.strip(), pids[-1]

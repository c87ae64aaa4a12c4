"""Short `agent-session-manager` commands, forked from a process with all imports done."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.forking import forking, live_in
from tests.support.namespaces import mount_own_disk
from tests.support.waiting import WATCHDOG_SECONDS

OwnDisk = tuple[Path, str]
"""A directory, and the options of the disk that is mounted there."""


def run_forked(
    arguments: list[str], environment: Mapping[str, str], disk: OwnDisk | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end in a separate process; its stdin is /dev/null.

    With a `disk`, only this process has it. The names of its files follow the output.

    Raises:
        subprocess.TimeoutExpired: the command is still running.
    """
    with TemporaryDirectory() as directory:
        files = [Path(directory, name) for name in ("stdout", "stderr")]
        process = forking().Process(
            target=_run, args=(arguments, dict(environment), Path.cwd(), files, disk), daemon=True
        )
        process.start()
        process.join(WATCHDOG_SECONDS)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(arguments, WATCHDOG_SECONDS)
        stdout, stderr = (file.read_text() for file in files)
        return subprocess.CompletedProcess(arguments, process.exitcode, stdout, stderr)


def _run(
    arguments: list[str],
    environment: dict[str, str],
    directory: Path,
    files: list[Path],
    disk: OwnDisk | None,
) -> None:
    """Run the command in this process, with its directory, output, environment and arguments."""
    from agent_session_manager.cli.main import main

    for number, file in enumerate(files, start=1):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8") for number in (1, 2))
    os.chdir(directory)
    live_in(environment)
    if disk is not None:
        mount_own_disk(*disk)
    try:
        main(arguments, prog_name="agent-session-manager")
    finally:
        if disk is not None:
            sys.stdout.writelines(f"{file.name}\n" for file in disk[0].iterdir())

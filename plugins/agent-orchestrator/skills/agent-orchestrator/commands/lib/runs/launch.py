"""Starting the supervisor of a run: a process of its own that outlives whoever starts it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from ..machine.environment import state_dir, supervisor_environment
from ..shared.private_files import make_state_directory, open_private
from .assignment import READY, Assignment

READY_TIMEOUT_SECONDS = 30.0


class LaunchError(Exception):
    """The supervisor did not take the run over; the text says why."""


def launch(assignment: Assignment) -> None:
    """Start a supervisor and return once the run is in its hands.

    Raises:
        LaunchError: it is not, and nothing of the run was started.
    """
    # As it is installed and not as it is linked: the package's name is part of its path.
    package_root = Path(__file__).parents[2]
    state = state_dir()
    log = open_private(make_state_directory(state) / "supervisors.log", append=True)
    try:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.supervisor"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd="/",
            env={**supervisor_environment(), "PYTHONPATH": str(package_root)},
            start_new_session=True,
            encoding="utf-8",
            errors="replace",
        )
    finally:
        os.close(log)
    assert supervisor.stdin is not None and supervisor.stdout is not None  # both are pipes
    with supervisor.stdin, supervisor.stdout:
        try:
            supervisor.stdin.write(assignment.to_json())
            supervisor.stdin.close()
        except BrokenPipeError:
            pass  # it has ended: what it said tells why
        poll = select.poll()  # as `select` takes no descriptor above 1,023
        poll.register(supervisor.stdout, select.POLLIN)
        answered = poll.poll(READY_TIMEOUT_SECONDS * 1000)
        said = supervisor.stdout.readline().strip() if answered else "it does not answer"
    if said != READY:
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            os.killpg(supervisor.pid, signal.SIGKILL)
    supervisor.wait()  # the supervisor is a child of what we started, which has ended
    if said != READY:
        raise LaunchError(said or f"it ended at once; see {state / 'supervisors.log'}")

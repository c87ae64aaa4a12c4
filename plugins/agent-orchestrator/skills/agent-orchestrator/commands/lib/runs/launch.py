"""Starts the supervisor of a run as a process that outlives the command."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from ..machine.environment import state_dir, supervisor_environment
from ..shared.error_text import why
from ..shared.private_files import make_state_directory, open_private
from .assignment import READY, Assignment

READY_TIMEOUT_SECONDS = 30.0


class LaunchError(Exception):
    """The supervisor did not take over the run; the text says why."""


class Launch:
    """A supervisor that starts while the command opens its run.

    It waits for its assignment. Without one it ends, and has done nothing.
    """

    def __enter__(self) -> Launch:
        self._supervisor: subprocess.Popen[str] | None = None
        self._failure = ""
        self._has_assignment = False
        try:
            self._supervisor = _spawn()
        except OSError as exc:  # the run is opened all the same, and records this failure
            self._failure = why(exc)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._supervisor is None:
            return
        if not self._has_assignment:  # it has done nothing, and need not start to its end
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._supervisor.pid, signal.SIGKILL)
        for pipe in (self._supervisor.stdin, self._supervisor.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self._supervisor.wait()  # our child process has ended; the supervisor is a child of it

    def hand_over(self, assignment: Assignment) -> None:
        """Give the supervisor its run, and return once it has taken over.

        Raises:
            LaunchError: it has not taken over, and nothing of the run was started.
        """
        if self._supervisor is None:
            raise LaunchError(self._failure)
        supervisor = self._supervisor
        self._has_assignment = True
        assert supervisor.stdin is not None and supervisor.stdout is not None  # both are pipes
        try:
            supervisor.stdin.write(assignment.to_json())
            supervisor.stdin.close()
        except BrokenPipeError:
            pass  # it has ended; its output says why
        poll = select.poll()  # `select` accepts no descriptor above 1,023
        poll.register(supervisor.stdout, select.POLLIN)
        answered = poll.poll(READY_TIMEOUT_SECONDS * 1000)
        said = supervisor.stdout.readline().strip() if answered else "the supervisor did not answer"
        if said == READY:
            return
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            os.killpg(supervisor.pid, signal.SIGKILL)
        raise LaunchError(said or f"the supervisor ended; see {_log_path()}")


def _log_path() -> Path:
    return state_dir() / "supervisors.log"


def open_log() -> int:
    """Open the log of the supervisors, and of what they start, for appending."""
    make_state_directory(state_dir())
    return open_private(_log_path(), append=True)


def _spawn() -> subprocess.Popen[str]:
    # Not resolved: if the package is a link, its name is that of the link.
    package_root = Path(__file__).parents[2]
    log = open_log()
    try:
        return subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.supervision.supervisor"],
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

"""Managers that are forked from a process which has imported all that they need.

Importing it takes most of a manager's start, and a suite starts hundreds. What runs is the command
`agent-session-manager` itself, in a process of its own; only its interpreter is not a new one.
"""

from __future__ import annotations

import os
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.support.forking import forking, live_in, write_to


class ForkedManager:
    """What the tests need of a `subprocess.Popen`, of a manager that was forked."""

    def __init__(
        self,
        arguments: list[str],
        environment: dict[str, str],
        log_path: Path,
        moved_time: Path | None = None,
    ) -> None:
        """`moved_time` is where its time is moved from; see there."""
        self._process: ForkServerProcess = forking().Process(
            target=_run, args=(arguments, environment, log_path, moved_time), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None  # it was started
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float) -> int | None:
        """Its exit code, minus the signal that ended it; None while it goes on."""
        self._process.join(timeout)
        return self._process.exitcode


def _run(
    arguments: list[str], environment: dict[str, str], log_path: Path, moved_time: Path | None
) -> None:
    """Become the command: its environment, its output, its arguments."""
    from agent_session_manager.cli.main import main
    from tests.support.manager_time import live_in_time_of

    write_to(log_path)
    live_in(environment)
    if moved_time is not None:
        live_in_time_of(moved_time)
    main(arguments, prog_name="agent-session-manager")

"""Managers forked from a process with all imports done.

Imports are most of a manager's start, and a suite starts hundreds of managers. Each one is the
command `agent-session-manager` in a separate process; only its interpreter is not a new one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.support.forking import forking, live_in, write_to

Prepare = Callable[[], object]
"""A function that can be pickled: of a module, or a `partial` of one."""


class ForkedManager:
    """A forked manager, with the part of the interface of `subprocess.Popen` that tests need."""

    def __init__(
        self,
        arguments: list[str],
        environment: dict[str, str],
        log_path: Path,
        prepare: Prepare | None = None,
    ) -> None:
        """Fork a manager; its process calls `prepare` before the command."""
        self._process: ForkServerProcess = forking().Process(
            target=_run, args=(arguments, environment, log_path, prepare), daemon=True
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
            with suppress(ProcessLookupError):  # it ends at this moment
                os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float) -> int | None:
        """Return the exit code, or minus the signal number; None while the manager runs."""
        self._process.join(timeout)
        return self._process.exitcode


def _run(
    arguments: list[str], environment: dict[str, str], log_path: Path, prepare: Prepare | None
) -> None:
    """Run the command in this process, with its environment, output and arguments."""
    from agent_session_manager.cli.main import main

    write_to(log_path)
    live_in(environment)
    if prepare is not None:
        prepare()
    main(arguments, prog_name="agent-session-manager")

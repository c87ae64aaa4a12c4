"""A real manager in a separate process, on a free port, with its own state directory."""

from __future__ import annotations

import http.client
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from agent_session_manager.machine.discovery import Announcement, find_manager
from tests.support.environment import BIN, scrubbed_environment
from tests.support.forked_manager import ForkedManager, Prepare
from tests.support.manager_time import ManagerTime, live_in_time_of
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

PROGRAM = str(BIN / "agent-session-manager")


class RunningManager:
    """A manager that serves from construction until `stop` or `kill`.

    Everything it writes is in `directory`: state, home and `serve.log`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        arguments: Sequence[str] = (),
        variables: dict[str, str] | None = None,
        program: Sequence[str] = (),
        moves_time: bool = False,
        prepare: Prepare | None = None,
    ) -> None:
        """Start the manager and wait until it serves.

        Without a `program` it is forked, which skips the imports, most of the time of a start.
        With `moves_time` the test can move its clock through the attribute `time`. The forked
        process calls `prepare` before the command.
        """
        assert not (moves_time and prepare), "a manager with a moved time is prepared already"
        self.directory = directory
        self.state_dir = directory / "state"
        self.log_path = directory / "serve.log"
        self._program = list(program)
        self._arguments = list(arguments)
        self._variables = variables or {}
        self.home = directory / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self._prepare = partial(live_in_time_of, directory) if moves_time else prepare
        self.time = ManagerTime(directory)
        self._start(port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return self.announcement.token

    @property
    def pid(self) -> int:
        return self.process.pid

    def environment(self) -> dict[str, str]:
        """Return the environment in which a client or command finds this manager."""
        return {
            **scrubbed_environment(self.home),
            "AGENT_ORCHESTRATOR_STATE_DIR": str(self.state_dir),
            "AGENT_ORCHESTRATOR_SESSION_MANAGER_URL": self.url,
        }

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def stop(self) -> int:
        """Stop it with SIGTERM, as `agent-session-manager stop` does; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            code = self.process.wait(WATCHDOG_SECONDS)
            if code is not None:
                return code
        self.kill()
        raise AssertionError(f"the manager did not stop; its log:\n{self.log()}")

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.process.kill()
        self.process.wait(WATCHDOG_SECONDS)

    def restart(self) -> None:
        """Stop it if it still serves, and start it again on the same port and state."""
        self.stop()
        self._start(self.port)

    def spawn(self) -> subprocess.Popen[bytes] | ForkedManager:
        """Start it on its port, without waiting until it serves."""
        self._spawn(self.port)
        return self.process

    def _spawn(self, port: int) -> None:
        arguments = ["serve", "--port", str(port), "--state-dir", str(self.state_dir)]
        arguments += self._arguments
        environment = {**scrubbed_environment(self.home), **self._variables}
        self.process: subprocess.Popen[bytes] | ForkedManager
        if not self._program:
            self.process = ForkedManager(arguments, environment, self.log_path, self._prepare)
            return
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )

    def _start(self, port: int) -> None:
        self._spawn(port)
        try:
            self.announcement = wait_for(self._found, "a manager serves")
            self.port = int(self.announcement.url.rpartition(":")[2])
            wait_for(self._answers, "the manager answers /health")
        except BaseException as exc:
            self.kill()
            exc.add_note(f"its log:\n{self.log()}")
            raise

    def _found(self) -> Announcement | None:
        code = self.process.poll()
        if code is not None:
            raise AssertionError(f"the manager ended with exit code {code}")
        for path in self.state_dir.glob("manager-*.json"):
            found = find_manager(self.state_dir, int(path.stem.partition("-")[2]))
            if found is not None and found.pid == self.process.pid:
                return found
        return None

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WATCHDOG_SECONDS)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        finally:
            connection.close()

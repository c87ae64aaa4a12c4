"""The servers under measurement: real processes, each with its own directory.

Leaving the block stops the process by its id and removes the directory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from agent_session_manager.machine.discovery import DiscoveryError, find_manager
from agent_session_manager.settings import environment
from agent_shared.manager_settings import PREFIX
from benchmarks.workload import all_session_ids

START_SECONDS = 30.0
STOP_SECONDS = 15.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that accepts appends to the sessions of the workload."""

    port: int
    pid: int
    token: str = field(default="none", repr=False)
    state_dir: Path | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx.Client:
        """Return a pooled client that sends the token."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, verify=False)

    def environ(self) -> dict[str, str]:
        """Return an environment in which clients find this manager."""
        given = {
            PREFIX + "STATE_DIR": str(self.state_dir),
            PREFIX + "SESSION_MANAGER_URL": self.url,
        }
        return clean_environ() | given


def clean_environ() -> dict[str, str]:
    """Return the environment without the product's variables."""
    environ: Mapping[str, str] = environment()
    return {name: value for name, value in environ.items() if not name.startswith(PREFIX)}


@contextmanager
def manager(
    *,
    sessions: bool = True,
    prepare: Callable[[Path], None] = lambda _: None,
    arguments: Sequence[str] = (),
) -> Iterator[Server]:
    """Run `agent-session-manager serve`, with the workload's sessions or without sessions.

    `prepare` may write a database into the state directory before.
    """
    with _directory() as state_dir:
        prepare(state_dir)
        program = Path(sys.executable).with_name("agent-session-manager")
        command = [str(program), "serve", "--port", "0", "--state-dir", str(state_dir), *arguments]
        log = state_dir / "server.log"
        with log.open("wb") as out, _running(command, stdout=out.fileno()) as process:
            server = _announced(process, state_dir, log)
            with server.client() as client:
                for session_id in all_session_ids() if sessions else ():
                    session = {"session_id": session_id, "session_name": "benchmark"}
                    client.post("/sessions", json=session).raise_for_status()
            yield server


@contextmanager
def limit(module: str) -> Iterator[Server]:
    """Run `benchmarks.append_limit`, `benchmarks.list_limit` or `benchmarks.fan_out`."""
    with _directory() as directory:
        command = [sys.executable, "-m", f"benchmarks.{module}", str(directory / "limit.db")]
        with _running(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"benchmarks.{module} did not start")
            yield Server(port=json.loads(line)["port"], pid=process.pid)


@contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ao-benchmark-") as name:
        yield Path(name)


@contextmanager
def _running(command: list[str], *, stdout: int) -> Iterator[subprocess.Popen[bytes]]:
    stderr = None if stdout == subprocess.PIPE else subprocess.STDOUT
    process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=clean_environ())
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _announced(process: subprocess.Popen[bytes], state_dir: Path, log: Path) -> Server:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        for path in state_dir.glob("manager-*.json"):
            port = int(path.stem.removeprefix("manager-"))
            found = find_manager(state_dir, port)
            if found is not None:
                return Server(port=port, pid=process.pid, token=found.token, state_dir=state_dir)
        time.sleep(_POLL_SECONDS)
    raise DiscoveryError(f"the manager did not start:\n{log.read_text(errors='replace')}")

"""Programs forked from a zygote (see `zygote.py`); the tests of one process share two zygotes.

A request is a dictionary, preceded by its length in four bytes. The descriptors of stdin, stdout
and stderr are sent with the length. The zygote answers with the program's pid. When the program
has ended, it sends the exit code, or minus the signal number. Each answer has four bytes.
"""

from __future__ import annotations

import atexit
import marshal
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import RLock
from typing import TypeVar

from tests.support.environment import BIN, scrubbed_environment

ZYGOTE = Path(__file__).with_name("zygote.py")
MANAGER = "agent-session-manager"
MANAGER_URL = "AGENT_ORCHESTRATOR_SESSION_MANAGER_URL"
FORKED_PYTHON = Path(__file__).with_name("forked_python.py")
LANGUAGE = {"LANG": scrubbed_environment(Path("/"))["LANG"]}
"""Variables that Python reads at startup, before it runs a program."""


def can_fork(environment: Mapping[str, str]) -> bool:
    """Return whether Python would start in this environment as it did in the zygote's."""
    of_python = {k: v for k, v in environment.items() if k.startswith(("LANG", "LC_", "PYTHON"))}
    return of_python == LANGUAGE


def forking_environment(home: Path, **variables: str) -> dict[str, str]:
    """Return the environment of a script whose commands and managers are to be forked."""
    environment = {**scrubbed_environment(home), **variables}
    _start_zygotes_for(environment)
    return {**environment, "PATH": os.pathsep.join([str(_directory()), environment["PATH"]])}


def forked_commands() -> Path:
    """Return a directory with the commands, which are forked, for the `PATH` of programs.

    They have less of a process than real ones: `kill` reaches their parent, which they end with,
    and `/proc` has neither their arguments nor their environment.
    """
    _zygote()
    return _directory()


def _start_zygotes_for(environment: Mapping[str, str]) -> None:
    """Start the zygote of commands, and that of managers if a command may start one."""
    _zygote()
    if MANAGER_URL not in environment:
        _managers()


class ForkedProgram:
    """A forked program, with the part of the interface of `subprocess.Popen` that tests need."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        stdin: bool = False,
        stdout: int | None = None,
        terminal: int | None = None,
        neighbour: int | None = None,
    ) -> None:
        """Fork `FILE ARGUMENT…` in a new process group, on pipes or on a terminal.

        On pipes, stdin is /dev/null unless `stdin` is true, and `stdout` may be given. The program
        joins the network of the process `neighbour`, by default of this process. A manager that it
        starts is forked too.
        """
        self.returncode: int | None = None
        self._stdin: int | None = None
        self._outputs: dict[int, bytearray] = {}
        if terminal is None:
            reading, self._stdin = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY), None)
            (output, to_output), (error, to_error) = os.pipe(), os.pipe()
            if stdout is not None:
                os.dup2(stdout, to_output)
            self._outputs = {output: bytearray(), error: bytearray()}
            handed = (reading, to_output, to_error)
        else:
            handed = (terminal, terminal, terminal)
        self._open = list(self._outputs)
        request: dict[str, object] = {
            "arguments": [os.fsencode(argument) for argument in arguments],
            "environment": {os.fsencode(k): os.fsencode(v) for k, v in environment.items()},
            "directory": os.fsencode(directory),
            "session": terminal is not None,
            "neighbour": neighbour or os.getpid(),
        }
        _start_zygotes_for(environment)
        is_manager = Path(arguments[0]).name == MANAGER
        self._client = (_managers() if is_manager else _zygote()).ask(request, handed)
        if terminal is None:
            for descriptor in handed:
                os.close(descriptor)
        self.pid = self._receive()

    def poll(self) -> int | None:
        """Return the exit code, or minus the signal number; None while the program runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit code, or minus the signal number.

        Raises:
            subprocess.TimeoutExpired: the program is still running.
        """
        if self.returncode is None:
            self._client.settimeout(timeout)
            try:
                self.returncode = self._receive()
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            self._client.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(
        self, content: bytes | None = None, timeout: float | None = None
    ) -> tuple[bytes, bytes]:
        """Write the rest of stdin; return everything written to stdout and stderr.

        Raises:
            subprocess.TimeoutExpired: the program runs, or another process holds its pipes open.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if self._stdin is not None:
            os.set_blocking(self._stdin, False)
        rest = content or b""
        while self._stdin is not None or self._open:
            writing = [] if self._stdin is None else [self._stdin]
            ready = _wait_for(self._open, writing, deadline)
            if not ready:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            for descriptor in ready:
                if descriptor == self._stdin:
                    rest = _write(descriptor, rest)
                    if not rest:
                        os.close(descriptor)
                        self._stdin = None
                elif chunk := os.read(descriptor, 65536):
                    self._outputs[descriptor] += chunk
                else:
                    os.close(descriptor)
                    self._open.remove(descriptor)
        self.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        stdout, stderr = self._outputs.values()
        return bytes(stdout), bytes(stderr)

    def _receive(self) -> int:
        """Return the next answer of the zygote; its four bytes arrive together."""
        answer = self._client.recv(4)
        if len(answer) < 4:
            raise RuntimeError("the zygote has ended; see its output on stderr")
        return int.from_bytes(answer, "little", signed=True)


def _wait_for(reading: Iterable[int], writing: Iterable[int], deadline: float | None) -> list[int]:
    """Return the descriptors that are ready; an empty list after the deadline."""
    poll = select.poll()
    for descriptor in reading:
        poll.register(descriptor, select.POLLIN)
    for descriptor in writing:
        poll.register(descriptor, select.POLLOUT)
    left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
    return [descriptor for descriptor, _ in poll.poll(left)]


def _write(descriptor: int, content: bytes) -> bytes:
    """Write without blocking and return the rest; empty if the reader has closed the pipe."""
    try:
        return content[os.write(descriptor, content) :]
    except BrokenPipeError:
        return b""


class _Zygote:
    """A zygote process, which listens on a socket in a directory until this process ends."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        self._process = subprocess.Popen(
            [sys.executable, str(ZYGOTE), *options, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=scrubbed_environment(path.parent),
        )
        assert self._process.stdout is not None  # it is a pipe
        assert self._process.stdout.readline() == b"ready\n"
        atexit.register(self._process.communicate)

    def ask(self, request: dict[str, object], handed: Sequence[int]) -> socket.socket:
        """Request the fork of a program; return the socket on which the zygote answers."""
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(self.path))
        content = marshal.dumps({**request, "python": str(self.path.with_name("python"))})
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", handed))]
        client.sendmsg([len(content).to_bytes(4, "little")], rights)
        client.sendall(content)
        return client


T = TypeVar("T")


def once(make: Callable[[], T]) -> Callable[[], T]:
    """Return a function that calls `make` once, also if several threads call it at once."""
    lock = RLock()
    made = cache(make)

    def get() -> T:
        with lock:
            return made()

    return get


@once
def _directory() -> Path:
    """Make the directory of the sockets, with the programs that ask for forks."""
    directory = Path(tempfile.mkdtemp(prefix="zygote-"))
    atexit.register(shutil.rmtree, directory)  # after the ends of the zygotes
    for name in ("python", MANAGER, *(path.name for path in BIN.glob("ao*"))):
        program = directory / name
        program.write_text(f"#!{sys.executable} -IS\n{FORKED_PYTHON.read_text()}")
        program.chmod(0o700)
    return directory


@once
def _zygote() -> _Zygote:
    return _Zygote(_directory() / "socket")


@once
def _managers() -> _Zygote:
    return _Zygote(_directory() / "managers", "--managers")

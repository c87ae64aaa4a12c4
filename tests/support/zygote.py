"""A Python that has imported the libraries: programs are forked from it instead of started.

Starting Python and importing click, httpx and asyncio is most of what a short command costs, and a
run of the tests starts more than a thousand. A forked program reads its own file and modules from
the first line on, in a process of its own, with its own arguments, environment, directory and
descriptors. Only Python and the libraries are there already.

This is the program that is forked from, `zygote.py SOCKET`; `forked_program.py` asks it.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import marshal
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
import time
from array import array
from contextlib import suppress
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSCTTY
from typing import Any

OURS = "agent_orchestrator"
"""Its modules are imported for the libraries that they import, and then forgotten."""
LATER = ("claude_agent_sdk", "httpx", "psutil", "yaml")
"""What they import only once they need it."""


@dataclass
class Program:
    """One that was forked, and who asked for it: it stays a zombie for as long as they listen."""

    pid: int
    client: socket.socket
    has_ended: bool = False


class Zygote:
    """Forks a program for each request until its stdin is closed."""

    def __init__(self, path: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(128)
        self._woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._poll = select.poll()
        for descriptor in (0, self._woken, self._listener.fileno()):
            self._poll.register(descriptor, select.POLLIN)
        self._programs: dict[int, Program] = {}
        self._abandoned: list[Program] = []

    def serve(self) -> dict[str, Any]:
        """Return, in each program that is forked, what was asked for.

        Requests and answers are as `forked_program.py` says.
        """
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == 0:
                    sys.exit()
                elif descriptor == self._woken:
                    os.read(self._woken, 4096)
                    self._tell_ends()
                elif descriptor != self._listener.fileno():
                    self._abandon(descriptor)
                elif (request := self._fork()) is not None:
                    return request

    def _fork(self) -> dict[str, Any] | None:
        """What was asked for, in the program; None in the zygote."""
        client, _ = self._listener.accept()
        request, handed = _receive(client)
        pid = os.fork()
        if pid == 0:
            for held in (self._listener, client, *(p.client for p in self._programs.values())):
                held.detach()  # all is closed below
            _become(request, handed)
            return request
        for given in handed:
            os.close(given)
        client.sendall(pid.to_bytes(4, "little", signed=True))
        self._programs[client.fileno()] = Program(pid, client)
        self._poll.register(client, select.POLLIN)
        return None

    def _tell_ends(self) -> None:
        for program in self._programs.values():
            if program.has_ended:
                continue
            ended = os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                program.has_ended = True
                code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
                with suppress(BrokenPipeError):  # who asked has gone this moment
                    program.client.sendall(code.to_bytes(4, "little", signed=True))
        self._abandoned = [program for program in self._abandoned if not _reap(program)]

    def _abandon(self, descriptor: int) -> None:
        """Who asked for this program has heard of its end, or does not care."""
        self._poll.unregister(descriptor)
        program = self._programs.pop(descriptor)
        program.client.close()
        if not _reap(program):
            self._abandoned.append(program)


def _import_libraries() -> None:
    package = importlib.import_module(OURS)
    for found in pkgutil.walk_packages(package.__path__, f"{OURS}."):
        importlib.import_module(found.name)
    for name in LATER:
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] == OURS]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()  # the children do not look through it, nor copy it by doing so


def _receive(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What is to be forked, and its stdin, stdout and stderr."""
    size, ancillary, _, _ = client.recvmsg(4, socket.CMSG_SPACE(3 * array("i").itemsize))
    descriptors = array("i", ancillary[0][2])
    with client.makefile("rb") as stream:
        request: dict[str, Any] = marshal.loads(stream.read(int.from_bytes(size, "little")))
    return request, list(descriptors)


def _reap(program: Program) -> bool:
    """Whether it has ended, and is no zombie any more."""
    return os.waitpid(program.pid, os.WNOHANG)[0] != 0


def _become(request: dict[str, Any], handed: list[int]) -> None:
    """Be in the state in which Python begins the program."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for standard, descriptor in enumerate(handed):
        os.dup2(descriptor, standard)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    if request["session"]:
        os.setsid()
        if os.isatty(0):
            ioctl(0, TIOCSCTTY, 0)
    else:
        os.setpgid(0, 0)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update({os.fsdecode(k): os.fsdecode(v) for k, v in request["environment"].items()})
    time.tzset()
    for name, descriptor, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        before = getattr(sys, name)
        stream = open(  # noqa: SIM115  # as long as the program lives
            descriptor,
            mode,
            encoding=before.encoding,
            errors=before.errors,
            buffering=1 if name == "stderr" else -1,
            closefd=False,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    # `ps` shows this name; the arguments that it shows stay those of the zygote.
    words = [os.fsdecode(word) for word in request["arguments"]]
    name = words[1].rpartition(".")[2] if words[0] == "-m" else Path(words[0]).name
    Path("/proc/self/comm").write_text(name)
    sys.executable = request["python"]
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))


def run(request: dict[str, Any]) -> None:
    """Run a file or a module as Python would.

    Nothing is torn down after an exit: that would copy the memory of all the libraries.
    """
    try:
        _run(request)
    except SystemExit as exit_:
        if not isinstance(exit_.code, int | None):
            raise
        code = exit_.code or 0
    else:
        code = 0
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the end of Python does
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _run(request: dict[str, Any]) -> None:
    program, *arguments = map(os.fsdecode, request["arguments"])
    if program == "-m":
        module, *arguments = arguments
        sys.argv = ["-m", *arguments]
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [program, *arguments]
        sys.path.insert(0, str(Path(program).parent))
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    del sys.path[0]  # our own directory
    _import_libraries()
    zygote = Zygote(sys.argv[1])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    run(zygote.serve())

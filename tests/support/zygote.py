"""A Python process with the libraries imported, from which programs are forked.

Most of the time of a short command is the start of Python and the import of click, httpx and
asyncio. A run of the tests starts more than a thousand commands. A forked program is a separate
process with its own arguments, environment, directory and descriptors. It loads its own file as
usual; Python, the libraries and the package of the commands are already loaded.

This is the parent process, `zygote.py SOCKET` of commands or `zygote.py --managers SOCKET` of
managers; `forked_program.py` is their client. A command that starts a manager gets it from the
zygote of managers, if that zygote runs.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import importlib.machinery
import marshal
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
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

COMMANDS = (
    Path(__file__).parents[2] / "plugins/agent-orchestrator/skills/agent-orchestrator/commands"
)
OURS = "lib"
"""Package of the commands. A program that would find another package of this name loads it."""
LATER = ("psutil", "yaml")
"""Libraries that its modules import only on first use."""
OF_MANAGERS = ("agent_session_manager.cli.main", "tests.support.warmed", "tests.support.starting")
MANAGER = "agent-session-manager"
BIN = Path(sys.executable).parent


@dataclass
class Program:
    """A forked program and its client's connection; it stays a zombie until the client leaves."""

    pid: int
    client: socket.socket
    ends_with_client: bool
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
        """Fork programs; in each forked program, return its request.

        `forked_program.py` describes requests and answers.
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
        """Fork one program; return its request in the program, and None in the zygote."""
        client, _ = self._listener.accept()
        received = _receive(client)
        if received is None:
            client.close()
            return None
        request, handed = received
        pid = os.fork()
        if pid == 0:
            for held in (self._listener, client, *(p.client for p in self._programs.values())):
                held.detach()  # all is closed below
            _become(request, handed)
            return request
        for given in handed:
            os.close(given)
        with suppress(BrokenPipeError):  # the client was killed; `poll` reports it
            client.sendall(pid.to_bytes(4, "little", signed=True))
        ends_with_client = request.get("ends_with_client", False)
        self._programs[client.fileno()] = Program(pid, client, ends_with_client)
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
                with suppress(BrokenPipeError):  # the client has just left
                    program.client.sendall(code.to_bytes(4, "little", signed=True))
        self._abandoned = [program for program in self._abandoned if not _reap(program)]

    def _abandon(self, descriptor: int) -> None:
        """Reap a program whose client has closed the connection, now or when it ends."""
        self._poll.unregister(descriptor)
        program = self._programs.pop(descriptor)
        program.client.close()
        if program.ends_with_client and not program.has_ended:
            os.kill(program.pid, signal.SIGKILL)  # it is a zombie at least
        if not _reap(program):
            self._abandoned.append(program)


def _import_modules() -> None:
    sys.path.insert(0, str(COMMANDS))
    package = importlib.import_module(OURS)
    # The SDK without `mcp`, as in a supervisor: with it, all would take three times as long.
    sdk = importlib.import_module(f"{OURS}.claude.sdk")
    sdk.leave_out_mcp()
    sdk.import_sdk()
    for found in pkgutil.walk_packages(package.__path__, f"{OURS}."):
        importlib.import_module(found.name)
    for name in LATER:
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "mcp"]:
        del sys.modules[name]
    client = importlib.import_module(f"{OURS}.session_client")
    client.SessionClient("http://127.0.0.1").close()  # the first one loads httpx and OpenSSL
    del sys.path[0]


def _import_manager() -> None:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    for name in OF_MANAGERS:
        importlib.import_module(name)
    del sys.path[0]


class ForkedManager:
    """A manager that a command has started, with what the command needs of `subprocess.Popen`."""

    def __init__(self, arguments: list[str], **options: Any) -> None:
        request = {
            "arguments": [os.fsencode(argument) for argument in (MANAGER, *arguments[1:])],
            "environment": {os.fsencode(k): os.fsencode(v) for k, v in options["env"].items()},
            "directory": os.fsencode(options["cwd"]),
            "session": options["start_new_session"],
            "neighbour": os.getpid(),
            "python": sys.executable,
        }
        self._zygote = socket.socket(socket.AF_UNIX)
        self._zygote.connect(str(_managers()))
        null = os.open(os.devnull, os.O_RDONLY)
        content = marshal.dumps(request)
        socket.send_fds(
            self._zygote,
            [len(content).to_bytes(4, "little")],
            [null, options["stdout"], options["stderr"]],
        )
        self._zygote.sendall(content)
        os.close(null)
        self.pid = int.from_bytes(self._zygote.recv(4), "little", signed=True)

    def poll(self) -> int | None:
        """Return the exit code, or minus the signal number; None while the manager runs."""
        with suppress(BlockingIOError):
            answer = self._zygote.recv(4, socket.MSG_DONTWAIT | socket.MSG_PEEK)
            return int.from_bytes(answer, "little", signed=True)
        return None


def _managers() -> Path:
    """Return the socket of the zygote of managers, next to the Python of forked programs."""
    return Path(sys.executable).with_name("managers")


class Popen(subprocess.Popen[Any]):
    """Starts programs, except that a manager is forked."""

    def __new__(cls, arguments: Any, *_: Any, **options: Any) -> Any:
        if arguments == [str(_managers().with_name(MANAGER)), "serve"]:
            return ForkedManager(arguments, **options)
        return super().__new__(cls)


def _unload_unless_found() -> None:
    """Unload our package if the program would find another one of that name, or none."""
    found = importlib.machinery.PathFinder.find_spec(OURS)
    places = found.submodule_search_locations if found is not None else None
    if not any((COMMANDS / OURS).samefile(place) for place in places or ()):
        for name in [name for name in sys.modules if name.partition(".")[0] == OURS]:
            del sys.modules[name]


def _receive(client: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Receive a request, with the stdin, stdout and stderr for the program.

    Return None if the client was killed before it had sent the whole request.
    """
    size, ancillary, _, _ = client.recvmsg(4, socket.CMSG_SPACE(3 * array("i").itemsize))
    if not ancillary:
        return None
    descriptors = list(array("i", ancillary[0][2]))
    length = int.from_bytes(size, "little")
    with client.makefile("rb") as stream:
        content = stream.read(length)
    if len(content) < length:
        for descriptor in descriptors:
            os.close(descriptor)
        return None
    request: dict[str, Any] = marshal.loads(content)
    return request, descriptors


def _reap(program: Program) -> bool:
    """Return whether the program has ended; if so, it is no longer a zombie."""
    return os.waitpid(program.pid, os.WNOHANG)[0] != 0


def join_namespaces_of(process: int) -> None:
    """Enter the user and network namespaces of a process, as `nsenter` does."""
    ours, theirs = (Path("/proc", name, "ns") for name in ("self", str(process)))
    joined = [kind for kind in ("user", "net") if not (ours / kind).samefile(theirs / kind)]
    for descriptor in [os.open(theirs / kind, os.O_RDONLY) for kind in joined]:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, 0) != 0:
            raise OSError(ctypes.get_errno(), f"cannot join the namespaces of {process}")


def _become(request: dict[str, Any], handed: list[int]) -> None:
    """Bring this process into the state in which Python starts a program."""
    join_namespaces_of(request["neighbour"])
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
    # `ps` shows this name, but still shows the arguments of the zygote.
    words = [os.fsdecode(word) for word in request["arguments"]]
    name = words[1].rpartition(".")[2] if words[0] == "-m" else Path(words[0]).name
    Path("/proc/self/comm").write_text(name)
    sys.executable = request["python"]
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))


def run(request: dict[str, Any]) -> None:
    """Run a file or a module as Python would.

    After an exit nothing is torn down, as that would copy the memory of all libraries.
    """
    try:
        _run(request)
    except SystemExit as exit_:
        if not isinstance(exit_.code, int | None):
            raise
        code = exit_.code or 0
    else:
        code = 0
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as Python does at exit
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _run(request: dict[str, Any]) -> None:
    program, *arguments = map(os.fsdecode, request["arguments"])
    if program == MANAGER:
        program = str(Path(BIN, program))
    elif program.startswith("ao"):
        program = str(COMMANDS / program)
    if program == "-m":
        module, *arguments = arguments
        sys.argv = ["-m", *arguments]
        sys.path.insert(0, str(Path.cwd()))
        _unload_unless_found()
        sys.modules.pop(module, None)  # not yet imported, as in a new Python
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [program, *arguments]
        sys.path.insert(0, str(Path(program).parent))
        _unload_unless_found()
        if _managers().exists():
            subprocess.Popen = Popen  # type: ignore[assignment,misc]
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    del sys.path[0]  # our own directory
    gc.disable()  # an import leaves little garbage
    _import_manager() if "--managers" in sys.argv else _import_modules()
    gc.collect()
    gc.freeze()  # a collection in a child would copy this memory
    gc.enable()
    zygote = Zygote(sys.argv[-1])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    run(zygote.serve())

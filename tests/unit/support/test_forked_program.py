"""A forked program begins and ends like a started one; see `tests/support/zygote.py`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from array import array
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import psutil
import pytest

from tests.support import forked_program
from tests.support.environment import scrubbed_environment
from tests.support.forked_program import ForkedProgram, can_fork, once
from tests.support.network_namespace import holder_of, network_namespace
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

DUMPER = """
import json, os, signal, sys, threading
numbers = [n for n in signal.valid_signals() if n not in (signal.SIGKILL, signal.SIGSTOP)]
umask = os.umask(0)
streams = [(s.encoding, s.errors, s.line_buffering, s.isatty()) for s in
           (sys.stdin, sys.stdout, sys.stderr)]
json.dump({
    "argv": sys.argv, "name": __name__, "path": sys.path, "environment": dict(os.environ),
    "directory": os.getcwd(), "umask": umask, "streams": streams, "stdin": sys.stdin.read(),
    "open": [int(n) for n in os.listdir("/proc/self/fd") if int(n) < 20],
    "leads": os.getpgrp() == os.getpid(), "threads": threading.active_count(),
    "signals": {int(n): str(signal.getsignal(n)).partition(" at ")[0] for n in numbers},
    "masked": [int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    "ours": [n for n in sys.modules if n.startswith(("agent_", "lib", "tests"))],
    "main": sys.modules["__main__"].__dict__["__name__"], "flags": list(sys.flags),
}, sys.stdout)
"""


def test_forked_program_begins_like_a_started_program(tmp_path: Path) -> None:
    script = tmp_path / "dumper"
    script.write_text(DUMPER)
    environment = {**scrubbed_environment(tmp_path), "ODD": "\udcff"}
    arguments = [str(script), "-x", "\udcff", ""]

    started = subprocess.run(
        [sys.executable, *arguments],
        input=b"hello",
        capture_output=True,
        cwd=tmp_path,
        env=environment,
        process_group=0,
        check=True,
    )
    forked = ForkedProgram(arguments, environment=environment, directory=tmp_path, stdin=True)
    stdout, stderr = forked.communicate(b"hello", WATCHDOG_SECONDS)

    assert (forked.returncode, stderr) == (0, b"")
    assert json.loads(stdout) == json.loads(started.stdout)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "import sys; sys.exit(3)",
        "import sys; sys.exit('no')",
        "raise ValueError",
        "import os; os.kill(os.getpid(), 9)",
        "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
        "import atexit, threading; atexit.register(print, 'last'); "
        "threading.Thread(target=lambda: print('first')).start()",
        "import os; print('told'); os._exit(7)",
        "import os; os.close(1)",
    ],
)
def test_forked_program_ends_like_a_started_program(tmp_path: Path, source: str) -> None:
    script = tmp_path / "program"
    script.write_text(source)
    environment = scrubbed_environment(tmp_path)

    started = subprocess.run(
        [sys.executable, str(script)], capture_output=True, env=environment, check=False
    )
    forked = ForkedProgram([str(script)], environment=environment, directory=tmp_path)
    stdout, stderr = forked.communicate(timeout=WATCHDOG_SECONDS)

    assert (forked.returncode, stdout) == (started.returncode, started.stdout)
    assert stderr.splitlines()[-1:] == started.stderr.splitlines()[-1:]


def test_forked_program_is_a_zombie_until_it_is_waited_for(tmp_path: Path) -> None:
    script = tmp_path / "program"
    script.write_text("import time; print('here', flush=True); time.sleep(60)")
    forked = ForkedProgram(
        [str(script)], environment=scrubbed_environment(tmp_path), directory=tmp_path
    )
    assert forked.poll() is None
    wait_for(lambda: psutil.Process(forked.pid).name() == "program", "the program has its name")
    with pytest.raises(subprocess.TimeoutExpired):
        forked.communicate(timeout=0)
    os.kill(forked.pid, signal.SIGTERM)
    assert forked.communicate(timeout=WATCHDOG_SECONDS)[1] == b""
    assert forked.poll() == forked.wait() == -signal.SIGTERM


@pytest.mark.parametrize(
    ("changed", "forks"),
    [
        ({"ANY": "thing"}, True),
        ({"LANG": "C"}, False),
        ({"LC_ALL": "C.UTF-8"}, False),
        ({"PYTHONUTF8": "0"}, False),
    ],
)
def test_program_is_forked_only_with_the_same_python_variables(
    tmp_path: Path, changed: dict[str, str], forks: bool
) -> None:
    assert can_fork({**scrubbed_environment(tmp_path), **changed}) is forks


def test_zygote_survives_clients_that_are_killed(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("print(1)")
    zygote = forked_program._zygote()
    request = {
        "arguments": [os.fsencode(script)],
        "environment": {},
        "directory": os.fsencode(tmp_path),
        "session": False,
        "neighbour": os.getpid(),
    }
    null = os.open(os.devnull, os.O_RDWR)
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(zygote.path))
        with socket.socket(socket.AF_UNIX) as half:
            half.connect(str(zygote.path))
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", (null, null, null)))]
            half.sendmsg([(99).to_bytes(4, "little")], rights)
        zygote.ask(request, (null, null, null)).close()  # it does not wait for the answer
    os.close(null)
    program = ForkedProgram([str(script)], environment={}, directory=tmp_path)
    assert program.communicate(timeout=WATCHDOG_SECONDS) == (b"1\n", b"")


def test_python_of_a_forked_program_ends_with_the_zygote(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!{sys.executable} -IS\n{forked_program.FORKED_PYTHON.read_text()}")
    python.chmod(0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        with subprocess.Popen([python, "-m", "json.tool"]) as waiting:
            zygote, _ = listener.accept()
            size = int.from_bytes(zygote.recv(4), "little")
            zygote.recv(size, socket.MSG_WAITALL)
            zygote.sendall((1).to_bytes(4, "little"))  # the pid, and no exit code
            zygote.close()
            assert waiting.wait(WATCHDOG_SECONDS) == 255


def test_forked_program_joins_the_network_of_its_neighbour(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("import os\nprint(os.readlink('/proc/self/ns/net'))")
    with network_namespace() as prefix:
        holder = holder_of(prefix)
        inside = ForkedProgram(
            [str(script)], environment={}, directory=tmp_path, neighbour=holder
        ).communicate(timeout=WATCHDOG_SECONDS)
        assert inside == (f"{Path(f'/proc/{holder}/ns/net').readlink()}\n".encode(), b"")
    outside = ForkedProgram([str(script)], environment={}, directory=tmp_path)
    assert outside.communicate(timeout=WATCHDOG_SECONDS)[0] != inside[0]


def test_threads_that_need_a_zygote_at_once_start_one() -> None:
    two_make, made = Barrier(2), []

    @once
    def make() -> object:
        made.append(object())
        with suppress(BrokenBarrierError):  # the time is up: no other thread makes one
            two_make.wait(0.2)
        return made[-1]

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.submit(make), threads.submit(make)
    assert [first.result(), second.result()] == [*made, *made]

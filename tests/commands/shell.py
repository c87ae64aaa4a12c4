"""Running the ao-* commands as a person does: real processes, in a shell of the test's own.

Whatever a test is about, no run of a command may show a traceback, end with a code that is not
documented, or write a line to stderr that begins with anything but the command's name. (The lines
of a list that a question is about are indented.)
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import click
import psutil
from click.testing import CliRunner

from agent_orchestrator.machine.environment import outbox_dir
from agent_orchestrator.machine.processes import RunProcesses
from agent_orchestrator.runs.registry import RegisteredRun, list_registered
from agent_session_manager.machine.discovery import find_managers
from tests.support.forked_program import ForkedProgram, can_fork
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

COMMANDS = (
    Path(__file__).parents[2] / "plugins/agent-orchestrator/skills/agent-orchestrator/commands"
)
NEED_AN_AGENT = ("ao-new", "ao-resume")
NEED_A_MANAGER = (
    *("ao-clean", "ao-dashboard", "ao-get-result", "ao-list-sessions", "ao-logs", "ao-rename"),
    *("ao-send", "ao-status", "ao-stop", "ao-wait"),
)
NEED_NOTHING = ("ao-list-agents", "ao-show-config")
LIGHT = (*NEED_A_MANAGER, *NEED_NOTHING)
ALL = (*NEED_AN_AGENT, *LIGHT, "ao-doctor")

TAKE_NO_SESSION = ("ao-doctor", "ao-list-agents", "ao-list-sessions", "ao-show-config")


Process = subprocess.Popen[bytes] | ForkedProgram

DONE, FAILED, USAGE, NOT_FOUND, NOT_FINISHED = range(5)


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def main_of(command: str) -> click.Command:
    module = import_module("agent_orchestrator.cli." + command[3:].replace("-", "_"))
    assert isinstance(module.main, click.Command)
    return module.main


def call(command: str, *arguments: str, **variables: str) -> Ended:
    """Call a command in this process, for what it answers before it does anything."""
    called = CliRunner(env=variables).invoke(main_of(command), arguments, prog_name=command)
    return Ended(called.exit_code, called.stdout, called.stderr)


def arguments_of(command: str) -> list[str]:
    """Enough to make the command do something."""
    if command == "ao-new":
        return ["x", "--executor", "command", "--", "true"]
    if command == "ao-dashboard":
        return ["--print"]
    if command == "ao-rename":
        return ["x", "y"]
    if command == "ao-send":
        return ["x", "-p", "hi"]
    return [] if command in TAKE_NO_SESSION else ["x"]


class Running:
    """A command under way, in a process group of its own as a shell gives it one."""

    def __init__(self, command: str, process: Process) -> None:
        self._command = command
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for something, such as its stdin."""
        return is_waiting(self.pid)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait_for_death(self) -> int:
        """Wait until a signal has ended it and nobody holds its pipes; return its exit code."""
        self._process.communicate(timeout=WATCHDOG_SECONDS)
        return self._process.wait()

    def kill(self) -> None:
        """End it, if a test has failed before its end."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def end(self, stdin: str | bytes = b"") -> Ended:
        """Give it the rest of its stdin, and wait for its end."""
        content = stdin.encode() if isinstance(stdin, str) else stdin
        try:
            stdout, stderr = self._process.communicate(content or None, WATCHDOG_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            stdout, stderr = self._process.communicate()
            raise AssertionError(f"{self._command} did not end: {stdout!r} {stderr!r}") from None
        ended = Ended(self._process.wait(), stdout.decode(), stderr.decode())
        _check(self._command, ended)
        return ended


def _check(command: str, ended: Ended) -> None:
    assert "Traceback" not in ended.stdout + ended.stderr, ended
    assert ended.exit_code in (DONE, FAILED, USAGE, NOT_FOUND, NOT_FINISHED), ended
    for line in ended.stderr.splitlines():
        assert line.startswith((f"{command}: ", "  ")), ended


class Terminal:
    """A terminal with one command on it, until its block ends."""

    def __init__(self, process: Process, descriptor: int) -> None:
        self._process = process
        self._descriptor = descriptor
        self._seen = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self.hang_up()

    def kill(self) -> None:
        """End the command with SIGKILL; the terminal stays open."""
        self._process.kill()

    def hang_up(self) -> None:
        """Close the terminal, as a person closes its window."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def wait(self) -> int:
        return self._process.wait(WATCHDOG_SECONDS)

    @property
    def screen(self) -> str:
        return self._seen.decode().replace("\r\n", "\n")

    def types(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def shows(self, text: str) -> None:
        """Wait until this is on the screen."""
        while text not in self.screen:
            assert self._read(), f"{text!r} is not on the screen: {self.screen!r}"

    def asks(self, question: str) -> None:
        """Wait until this is asked; Python overlooks a Ctrl-C just before it begins to wait."""
        self.shows(question)
        wait_for(lambda: is_waiting(self._process.pid), "it waits for an answer")

    def end(self) -> tuple[int, str]:
        """Wait for the command's end; return its exit code and all that was on the screen."""
        while self._read():
            pass
        code = self.wait()
        assert "Traceback" not in self.screen, self.screen
        return code, self.screen

    def _read(self) -> bool:
        """Read what comes next; False where nobody has the terminal open any more."""
        assert select.select([self._descriptor], [], [], WATCHDOG_SECONDS)[0], self.screen
        try:
            chunk = os.read(self._descriptor, 65536)
        except OSError:  # how Linux says that the other side is closed
            return False
        self._seen += chunk
        return bool(chunk)


@dataclass(frozen=True, kw_only=True)
class Shell:
    """Where commands are run from: a directory, an environment, and perhaps a network."""

    directory: Path
    environment: dict[str, str]
    prefix: tuple[str, ...] = ()
    python: tuple[str, ...] = (sys.executable,)
    own_python: bool = False
    """Whether each command starts a Python of its own; else it is forked where that is the same."""
    running: list[Running] = field(default_factory=list)
    """What was started here; whoever made the shell ends it."""
    state_dirs: set[Path] = field(default_factory=set)
    """Where commands that were started here keep their state."""

    def close(self) -> None:
        """End what was started here, and the runs that go on without it."""
        for running in self.running:
            running.kill()
        for state_dir in self.state_dirs:
            end_runs(state_dir)

    @property
    def state_dir(self) -> Path:
        given = self.environment.get("AGENT_ORCHESTRATOR_STATE_DIR")
        if given:
            return self.directory / given
        return Path(self.environment["XDG_STATE_HOME"]) / "agent-orchestrator"

    def at(self, directory: Path) -> Self:
        return replace(self, directory=directory)

    def having(self, **variables: str | None) -> Self:
        """The same with these variables; None takes one away."""
        changed = {**self.environment, **variables}
        kept = {name: value for name, value in changed.items() if value is not None}
        return replace(self, environment=kept)

    def command(self, name: str, *arguments: str) -> list[str]:
        return [*self.prefix, *self.python, str(COMMANDS / name), *arguments]

    def run(self, name: str, *arguments: str, stdin: str | bytes | None = None) -> Ended:
        """Run a command to its end; without a `stdin` that is /dev/null."""
        return self.start(name, *arguments, stdin=stdin is not None).end(stdin or b"")

    def start(self, name: str, *arguments: str, stdin: bool = False) -> Running:
        """Start a command; with `stdin` it reads what `end` gives it."""
        self.state_dirs.add(self.state_dir)
        self.running.append(Running(name, self._start(name, *arguments, stdin=stdin)))
        return self.running[-1]

    def _start(self, name: str, *arguments: str, stdin: bool) -> Process:
        if self._forks:
            return ForkedProgram(
                [str(COMMANDS / name), *arguments],
                environment=self.environment,
                directory=self.directory,
                stdin=stdin,
            )
        return subprocess.Popen(
            self.command(name, *arguments),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.directory,
            env=self.environment,
            process_group=0,
        )

    @property
    def _forks(self) -> bool:
        is_plain = not self.prefix and self.python == (sys.executable,) and not self.own_python
        return is_plain and can_fork(self.environment)

    def output_of(self, source: str, *arguments: str) -> str:
        """What a Python program prints here."""
        done = subprocess.run(
            [*self.prefix, sys.executable, "-c", source, *arguments],
            capture_output=True,
            cwd=self.directory,
            env=self.environment,
            text=True,
            timeout=WATCHDOG_SECONDS,
            check=True,
        )
        return done.stdout

    def on_terminal(self, name: str, *arguments: str) -> Terminal:
        """Start a command on a terminal of its own: `with` it, or it stays."""
        self.state_dirs.add(self.state_dir)
        ours, theirs = os.openpty()
        environment = {**self.environment, "TERM": "xterm"}
        process: Process
        if self._forks:
            process = ForkedProgram(
                [str(COMMANDS / name), *arguments],
                environment=environment,
                directory=self.directory,
                terminal=theirs,
            )
        else:
            # As from a login shell, even where this suite was started behind a script.
            on_it = ("env", "--default-signal=INT,HUP", "setsid", "--ctty")
            process = subprocess.Popen(
                replace(self, prefix=(*self.prefix, *on_it)).command(name, *arguments),
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                cwd=self.directory,
                env=environment,
            )
        os.close(theirs)
        terminal = Terminal(process, ours)
        with ExitStack() as stack:
            stack.enter_context(terminal)
            # Until then a Ctrl-C or the end of the terminal would reach nobody. A terminal is let
            # go by a command that has ended, which a short one may have before anybody looks.
            wait_for(
                lambda: os.tcgetpgrp(ours) == process.pid or process.poll() is not None,
                "the terminal is its own",
            )
            stack.pop_all()
        return terminal


class Gate:
    """Where a program waits until the test lets it go on; nobody hangs on it for ever."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        # For reading too: so neither side has to wait until the other one opens it.
        self._descriptor = os.open(path, os.O_RDWR)

    def open(self, word: str = "go") -> None:
        """Let one program through; it reads this word."""
        os.write(self._descriptor, f"{word}\n".encode())

    def close(self) -> None:
        os.close(self._descriptor)


def waiting_program(started: Path, gate: Gate) -> list[str]:
    """A program that writes its pid to `started`, waits at the gate, and answers its word."""
    source = 'echo $$ >> "$0"; read word < "$1"; echo "$word"'
    return ["sh", "-c", source, str(started), str(gate.path)]


def start_detached(
    shell: Shell, name: str, started: Path, gate: Gate, *options: str
) -> tuple[str, int]:
    """Start a session whose program waits at the gate; its id, and the program's pid."""
    before = len(pids_in(started, 0) or [])
    program = waiting_program(started, gate)
    arguments = (name, "-p", "hi", "--detach", *options, "--executor", "command", "--", *program)
    ended = shell.run("ao-new", *arguments)
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    pids = wait_for(lambda: pids_in(started, before + 1), "the program runs")
    return ended.stdout.strip(), pids[-1]


def pids_in(path: Path, count: int = 1) -> list[int] | None:
    """The pids that programs have written there, once there are so many."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [int(line) for line in lines] if len(lines) >= count else None


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_waiting(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_SLEEPING


def end_runs(state_dir: Path) -> None:
    """Kill the supervisors that live there and every process of their runs, and forget them."""
    for entry in list_registered(state_dir):
        if entry.is_supervised:
            _kill(psutil.Process(entry.run.pid))
        for process in RunProcesses(None, entry.run.marker).find():
            _kill(process)
        entry.path.unlink(missing_ok=True)
        for left in outbox_dir(state_dir).glob(f"{entry.run.session_id}.*"):
            left.unlink(missing_ok=True)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
        wait_for(lambda: not is_alive(process.pid), "it is dead")


def supervisor_of(state_dir: Path, session_id: str) -> RegisteredRun:
    """The supervisor of a session's run that goes on."""
    (entry,) = (e for e in list_registered(state_dir) if e.run.session_id == session_id)
    assert entry.is_supervised
    return entry.run


def kill_supervisor(state_dir: Path, session_id: str) -> RegisteredRun:
    """Kill the supervisor of a session's run; it gets to do nothing more."""
    run = supervisor_of(state_dir, session_id)
    _kill(psutil.Process(run.pid))
    return run


def stop_manager(state_dir: Path) -> None:
    """Stop the managers that commands have started with this state directory, if there are any."""
    managers = find_managers(state_dir) if state_dir.exists() else []
    for manager in managers:
        os.kill(manager.pid, signal.SIGTERM)
    wait_for(lambda: not any(is_alive(m.pid) for m in managers), "they end")


OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What a terminal would act on, and what shows text in another order than it has."""
OUR_OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[hl]|[0-9]*[AK])|\r")
"""Colours, and how a line of progress is drawn over: the cursor hidden, a line up, a line wiped."""


def controls_in(screen: str) -> list[str]:
    """What of a screen the terminal would obey, our own few sequences aside."""
    return OBEYED.findall(OUR_OWN.sub("", screen))

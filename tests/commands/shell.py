"""Helpers that run the `ao-*` commands as a user does: real processes, in a shell for one test.

Every run of a command is checked. It must show no traceback and end with a documented exit code.
Each line on stderr must begin with the command's name, or with spaces if it is part of a list.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Self

import click
from click.testing import CliRunner

from tests.commands.command_names import COMMANDS, module_of
from tests.commands.processes import Process, end_runs, is_waiting
from tests.commands.terminal import Terminal, without_notes_of_waiting
from tests.support.forked_program import ForkedProgram, can_fork, forked_commands
from tests.support.network_namespace import holder_of
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

DONE, FAILED, USAGE, NOT_FOUND, NOT_FINISHED = range(5)


@dataclass(frozen=True)
class Ended:
    """The exit code and the output of a command."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def main_of(command: str) -> click.Command:
    module = import_module(f"agent_orchestrator.cli.{module_of(command)}")
    assert isinstance(module.main, click.Command)
    return module.main


def call(command: str, *arguments: str, **variables: str) -> Ended:
    """Call a command in this process, to test output that needs no action, such as its help."""
    called = CliRunner(env=variables).invoke(main_of(command), arguments, prog_name=command)
    return Ended(called.exit_code, called.stdout, called.stderr)


class Running:
    """A running command, in a new process group as in a shell."""

    def __init__(self, command: str, process: Process) -> None:
        self._command = command
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_waiting(self) -> bool:
        """True if the command sleeps, for example while it waits for its stdin."""
        return is_waiting(self.pid)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait_for_death(self) -> int:
        """Wait until a signal has ended the command and its pipes are closed; return the code."""
        self._process.communicate(timeout=WATCHDOG_SECONDS)
        return self._process.wait()

    def kill(self) -> None:
        """Kill the command if it still runs, as after a failed test."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def end(self, stdin: str | bytes = b"") -> Ended:
        """Write the rest of the command's stdin, and wait until it ends."""
        content = stdin.encode() if isinstance(stdin, str) else stdin
        try:
            stdout, stderr = self._process.communicate(content or None, WATCHDOG_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            stdout, stderr = self._process.communicate()
            raise AssertionError(f"{self._command} did not end: {stdout!r} {stderr!r}") from None
        told = without_notes_of_waiting(stderr.decode())
        ended = Ended(self._process.wait(), (stdout or b"").decode(), told)
        _check(self._command, ended)
        return ended


def _check(command: str, ended: Ended) -> None:
    assert "Traceback" not in ended.stdout + ended.stderr, ended
    assert ended.exit_code in (DONE, FAILED, USAGE, NOT_FOUND, NOT_FINISHED), ended
    for line in ended.stderr.splitlines():
        assert line.startswith((f"{command}: ", "  ")), ended


@dataclass(frozen=True, kw_only=True)
class Shell:
    """A directory and an environment in which commands are run, optionally in another network."""

    directory: Path
    environment: dict[str, str]
    prefix: tuple[str, ...] = ()
    python: tuple[str, ...] = (sys.executable,)
    own_python: bool = False
    """True to start a new Python for each command; by default a command is forked if possible."""
    running: list[Running] = field(default_factory=list)
    """Commands that were started here; `close` ends them."""
    state_dirs: set[Path] = field(default_factory=set)
    """State directories of the commands that were started here."""

    def close(self) -> None:
        """End the commands that were started here, and their detached runs."""
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
        """Return a copy with these variables; None removes a variable."""
        changed = {**self.environment, **variables}
        kept = {name: value for name, value in changed.items() if value is not None}
        return replace(self, environment=kept)

    def command(self, name: str, *arguments: str) -> list[str]:
        return [*self.prefix, *self.python, str(COMMANDS / name), *arguments]

    def forked_command(self, name: str, *arguments: str) -> list[str]:
        """Return a command for programs that start it, which is forked: it starts sooner."""
        return [str(forked_commands() / name), *arguments]

    def with_forked_commands(self) -> Self:
        """Return a copy whose programs find `forked_command` by the names of the commands."""
        return self.having(PATH=f"{forked_commands()}:{self.environment['PATH']}")

    def run(
        self,
        name: str,
        *arguments: str,
        stdin: str | bytes | None = None,
        stdout: int | None = None,
    ) -> Ended:
        """Run a command to its end; without `stdin` it reads /dev/null."""
        running = self.start(name, *arguments, stdin=stdin is not None, stdout=stdout)
        return running.end(stdin or b"")

    def start(
        self, name: str, *arguments: str, stdin: bool = False, stdout: int | None = None
    ) -> Running:
        """Start a command; with `stdin` it reads the bytes that `end` writes."""
        self.state_dirs.add(self.state_dir)
        process = self._start(name, *arguments, stdin=stdin, stdout=stdout)
        self.running.append(Running(name, process))
        return self.running[-1]

    def _start(self, name: str, *arguments: str, stdin: bool, stdout: int | None) -> Process:
        if self._forks:
            return ForkedProgram(
                [str(COMMANDS / name), *arguments],
                environment=self.environment,
                directory=self.directory,
                stdin=stdin,
                stdout=stdout,
                neighbour=holder_of(self.prefix),
            )
        return subprocess.Popen(
            self.command(name, *arguments),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE,
            cwd=self.directory,
            env=self.environment,
            process_group=0,
        )

    @property
    def _forks(self) -> bool:
        is_plain = self.python == (sys.executable,) and not self.own_python
        in_known_namespace = not self.prefix or holder_of(self.prefix) is not None
        return is_plain and in_known_namespace and can_fork(self.environment)

    def run_program(
        self,
        *command: str | bytes,
        stdin: bytes | None = None,
        stdout: int | IO[bytes] = subprocess.PIPE,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run any program here to its end; without `stdin` it reads /dev/null."""
        return subprocess.run(
            command,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=stdout,
            stderr=subprocess.PIPE,
            cwd=self.directory,
            env=self.environment,
            timeout=WATCHDOG_SECONDS,
            check=False,
        )

    def output_of(self, source: str, *arguments: str) -> str:
        """Return the output of a Python program that is run here."""
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
        """Start a command on a new terminal; use it in a `with` block, which ends the command.

        The terminal has colours only in a shell with an empty NO_COLOR.
        """
        self.state_dirs.add(self.state_dir)
        ours, theirs = os.openpty()
        plain = {"TERM": "xterm", "NO_COLOR": "1", "PAGER": "cat"}
        environment = {**plain, **self.environment}
        process: Process
        if self._forks:
            process = ForkedProgram(
                [str(COMMANDS / name), *arguments],
                environment=environment,
                directory=self.directory,
                terminal=theirs,
                neighbour=holder_of(self.prefix),
            )
        else:
            # Reset signals as a login shell does, even if a script started this suite.
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
            # Before that, a Ctrl-C or a hang-up would reach no process. A short command may have
            # ended by now, and has released the terminal.
            wait_for(
                lambda: os.tcgetpgrp(ours) == process.pid or process.poll() is not None,
                "the command owns the terminal",
            )
            stack.pop_all()
        return terminal

"""Inherited signals, streams, umask and locale change neither output nor files of a command."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_session_manager.machine.discovery import find_manager
from tests.commands.command_names import ALL, COMMANDS
from tests.commands.processes import supervisor_of
from tests.commands.shell import DONE, FAILED, Ended, Shell
from tests.commands.started_manager import manage_in
from tests.support.environment import BIN
from tests.support.gate import Gate, pids_in, waiting_program
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

ODD = (sys.executable, str(Path(__file__).parents[1] / "support" / "inheriting.py"))
OF_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}


def inheriting(shell: Shell, *options: str) -> Shell:
    return replace(shell, prefix=(*shell.prefix, *ODD, *options, "--"))


def signals_in(status: str, name: str) -> set[int]:
    """Return the signals in a mask of /proc/PID/status.

    The two signals that glibc reserves are left out: its `posix_spawn` makes a child ignore one.
    """
    (mask,) = re.findall(rf"(?m)^{name}:\t([0-9a-f]+)$", status)
    return {number for number in signal.valid_signals() if int(mask, 16) >> (number - 1) & 1}


def test_started_processes_reset_signals_and_umask(
    lonely: Shell, own_home: Path, state_dir: Path, tmp_path: Path, gate: Gate
) -> None:
    """Checks all signals at once, for the program, its supervisor and the manager."""
    logging = lonely.having(AGENT_ORCHESTRATOR_ENABLE_LOGGING="1")
    odd = inheriting(logging, "signals", "files", "umask")
    source = 'cat /proc/self/status; umask; read word <"$0"'
    command = ("--executor", "command", "--", "sh", "-c", source, str(gate.path))
    ended = odd.run("ao-new", "x", "-p", "hi", "--detach", *command)
    assert ended.exit_code == DONE
    with lonely.on_terminal("ao-logs", "x", "--follow") as terminal:
        terminal.shows("\n    0000\n")
        program_status = terminal.screen.replace("\n    ", "\n").replace(" ", "\t")
    manager = find_manager(state_dir, 8765)
    assert manager is not None
    supervisor = supervisor_of(state_dir, ended.stdout.strip())
    for pid, ignored in ((None, set()), (manager.pid, OF_PYTHON), (supervisor.pid, OF_PYTHON)):
        status = program_status if pid is None else Path(f"/proc/{pid}/status").read_text()
        assert signals_in(status, "SigBlk") == set()
        assert signals_in(status, "SigIgn") == ignored
    assert lonely.run("ao-stop", "x").exit_code == DONE
    backup, export = tmp_path / "backup.db", tmp_path / "export.jsonl"
    commands = (["backup", str(backup)], ["export", str(export)], ["stop"])
    assert manage_in(odd, *commands)[0] == (0, 0, 0)
    made = [*own_home.rglob("*"), backup, export]
    assert {path.name for path in made} >= {"manager-8765.log", "supervisors.log", "commands.log"}
    assert [path for path in made if path.stat().st_mode & 0o077] == []


@each_row("closed", ["0", "1", "2", "012"])
def test_closed_streams_lose_only_their_own_output(shell: Shell, closed: str) -> None:
    name, answer = f"x{closed}", "the answer\n"
    ended = inheriting(shell, f"closed={closed}", "files").run(
        "ao-new", name, "-p", "hi", "--executor", "command", "--", "echo", "the answer"
    )
    assert ended == Ended(DONE, "" if "1" in closed else answer, "")
    assert shell.run("ao-get-result", name).stdout == answer
    if closed in "12":
        refused = inheriting(shell, f"closed={closed}").run("ao-get-result", "missing")
        assert (refused.exit_code, refused.stderr == "") == (3, "2" in closed)


RUN_EACH = """
import json, os, runpy, sys
sys.path.insert(0, sys.argv[1])
import lib.console.command
told = []
for command, *arguments in json.loads(sys.argv[2]):
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.dup2(writing, 1)
        sys.argv = [command, *arguments]
        runpy.run_path(os.path.join(sys.path[0], command), run_name="__main__")
    os.close(writing)
    with open(reading, encoding="latin-1") as output:
        told.append(output.read())
    assert os.wait()[1] == 0, told
json.dump(told, sys.stdout)
"""
"""Prints what commands print in forks of a process that has inherited odd streams."""


def test_every_command_prints_in_the_terminals_encoding(shell: Shell, records: object) -> None:
    name = "✓ 🧀"
    odd = inheriting(shell, "latin", "closed=2", "files")
    assert odd.run("ao-new", name, "--executor", "command", "--", "echo", name) == Ended(
        DONE, "? ?\n", ""
    )
    showing = [("ao-get-result", name), ("ao-logs", name), ("ao-list-sessions",)]
    runs = [*((command, "--help") for command in ALL), *showing]
    python = [*odd.prefix, sys.executable, "-c", RUN_EACH, str(COMMANDS)]
    told = json.loads(odd.run_program(*python, json.dumps(runs)).stdout)
    helped = zip(ALL, told, strict=False)
    assert [each for each, text in helped if not text.startswith(f"Usage: {each}")] == []
    assert ["? ?" in text for text in told[len(ALL) :]] == [True] * len(showing)


def test_closed_stdout_causes_no_error_message(shell: Shell, records: ManagerClient) -> None:
    shell.run("ao-new", "x", "--executor", "command", "--", "seq", "100000")
    failing = ["x2", "--executor", "command", "--", "sh", "-c", "seq 100000; exit 3"]
    for code, command, arguments in (
        (DONE, "ao-logs", ["x"]),
        (DONE, "ao-logs", ["x", "--json"]),
        (DONE, "ao-get-result", ["x"]),
        (FAILED, "ao-new", failing),
    ):
        reading, writing = os.pipe()
        os.close(reading)
        ended = shell.run(command, *arguments, stdout=writing)
        os.close(writing)
        assert ended.exit_code == code, (command, ended)
        assert ended.stderr.startswith("ao-new: session 'x2' failed" if code else ""), ended
        assert code or not ended.stderr


@contextmanager
def as_first_process(
    shell: Shell, *command: str, log: Path
) -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    """Run a command as process 1 of a container."""
    enter = ("unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")
    tried = subprocess.run([*enter, "true"], capture_output=True, timeout=60, check=False)
    if tried.returncode:
        pytest.skip("this machine allows no pid namespace")
    with (
        log.open("wb") as to,
        subprocess.Popen(
            [*enter, *command],
            stdin=subprocess.DEVNULL,
            stdout=to,
            stderr=subprocess.STDOUT,
            cwd=shell.directory,
            env=shell.environment,
        ) as outside,
    ):
        try:
            (first,) = wait_for(
                lambda: psutil.Process(outside.pid).children() or None, "the command begins"
            )
            yield outside, first
        finally:
            outside.kill()


def announced(state_dir: Path) -> list[Path] | None:
    """Return the discovery files of serving managers, or None if no manager serves."""
    found = state_dir.glob("manager-*.json")
    return [path for path in found if '"url"' in path.read_text()] or None


def test_manager_as_first_process_leaves_no_zombie(shell: Shell, tmp_path: Path) -> None:
    own = shell.having(AGENT_ORCHESTRATOR_STATE_DIR=str(tmp_path / "state"))
    serve = (str(BIN / "agent-session-manager"), "serve", "--port", "0")
    log = tmp_path / "log"
    with as_first_process(own, *serve, log=log) as (outside, first):
        (file,) = wait_for(lambda: announced(tmp_path / "state"), "the manager serves")
        port = int(file.stem.partition("-")[2])
        inside = ("nsenter", "--target", str(first.pid), "--user", "--pid", "--mount")
        there = replace(
            own.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=f"http://127.0.0.1:{port}"),
            prefix=(*inside, "--preserve-credentials", f"--wdns={own.directory}"),
        )
        background = "(sleep 0 &) ; echo done"
        ended = there.run("ao-new", "x", "--executor", "command", "--", "sh", "-c", background)
        assert ended == Ended(DONE, "done\n", ""), (ended, log.read_text())
        wait_for(lambda: len(first.children(recursive=True)) == 1, "only the manager is left")
        first.send_signal(signal.SIGTERM)
        assert outside.wait(WATCHDOG_SECONDS) == 0, log.read_text()


TELLING = """
import signal
from agent_orchestrator.shared.inherited_state import begin
begin()
told = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
signal.pthread_sigmask(signal.SIG_BLOCK, told)
print("ready", flush=True)
print(signal.Signals(signal.sigwait(told)).name, flush=True)
"""


def test_sigterm_reaches_a_first_process_as_sigint(shell: Shell, tmp_path: Path) -> None:
    """Code that blocks Ctrl-C while a run starts then also blocks SIGTERM."""
    for sent, told in (("SIGTERM", "SIGINT"), ("SIGHUP", "SIGHUP"), ("SIGINT", "SIGINT")):
        log = tmp_path / sent
        program = (sys.executable, "-c", TELLING)
        with as_first_process(shell, *program, log=log) as (outside, first):
            wait_for(lambda log=log: "ready" in log.read_text(), "the program waits")  # type: ignore[misc]
            first.send_signal(signal.Signals[sent])
            assert outside.wait(WATCHDOG_SECONDS) == 0
        assert log.read_text().split() == ["ready", told]


def test_command_as_first_process_stops_its_run_when_terminated(
    shell: Shell, records: ManagerClient, project: Path, gate: Gate, started: Path, tmp_path: Path
) -> None:
    command = ("-p", "hi", "--executor", "command", "--", *waiting_program(started, gate))
    log = tmp_path / "log"
    with as_first_process(shell, *shell.command("ao-new", "x", *command), log=log) as (out, first):
        wait_for(lambda: pids_in(started), "the program runs")
        first.send_signal(signal.SIGTERM)
        assert out.wait(WATCHDOG_SECONDS) == FAILED, log.read_text()
    (session,) = records.find_sessions(project_dir=str(project))
    assert session["reason"] == "stopped", log.read_text()

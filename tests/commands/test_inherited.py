"""Inherited signals, streams, umask and locale change neither output nor files of a command."""

from __future__ import annotations

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
from tests.commands.command_names import ALL
from tests.commands.processes import supervisor_of
from tests.commands.shell import DONE, FAILED, Ended, Shell
from tests.support.environment import BIN
from tests.support.gate import Gate, pids_in, waiting_program
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
    odd = inheriting(lonely, "signals", "files", "umask").having(
        AGENT_ORCHESTRATOR_ENABLE_LOGGING="1"
    )
    source = 'cat /proc/self/status; umask; read word <"$0"'
    command = ("--executor", "command", "--", "sh", "-c", source, str(gate.path))
    ended = odd.run("ao-new", "x", "-p", "hi", "--detach", *command)
    assert ended.exit_code == DONE
    with odd.on_terminal("ao-logs", "x", "--follow") as terminal:
        terminal.shows("\n    0000\n")
        program_status = terminal.screen.replace("\n    ", "\n").replace(" ", "\t")
    manager = find_manager(state_dir, 8765)
    assert manager is not None
    supervisor = supervisor_of(state_dir, ended.stdout.strip())
    for pid, ignored in ((None, set()), (manager.pid, OF_PYTHON), (supervisor.pid, OF_PYTHON)):
        status = program_status if pid is None else Path(f"/proc/{pid}/status").read_text()
        assert signals_in(status, "SigBlk") == set()
        assert signals_in(status, "SigIgn") == ignored
    assert odd.run("ao-stop", "x").exit_code == DONE
    backup, export = tmp_path / "backup.db", tmp_path / "export.jsonl"
    serving = [*odd.prefix, str(BIN / "agent-session-manager")]
    for arguments in (
        ["backup", str(backup)],
        ["export", str(export)],
        ["stop"],
    ):
        done = subprocess.run(
            [*serving, *arguments], env=odd.environment, capture_output=True, timeout=60
        )
        assert done.returncode == 0, done
    made = [*own_home.rglob("*"), backup, export]
    assert {path.name for path in made} >= {"manager-8765.log", "supervisors.log", "commands.log"}
    assert [path for path in made if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("closed", ["0", "1", "2", "012"])
def test_closed_streams_lose_only_their_own_output(shell: Shell, closed: str) -> None:
    told = {"x": "the answer\n"}
    ended = inheriting(shell, f"closed={closed}", "files").run(
        "ao-new", "x", "-p", "hi", "--executor", "command", "--", "echo", "the answer"
    )
    assert ended == Ended(DONE, "" if "1" in closed else told["x"], "")
    assert shell.run("ao-get-result", "x").stdout == told["x"]
    refused = inheriting(shell, f"closed={closed}").run("ao-get-result", "missing")
    assert (refused.exit_code, refused.stderr == "") == (3, "2" in closed)


def test_every_command_prints_in_the_terminals_encoding(shell: Shell, records: object) -> None:
    name = "✓ 🧀"
    odd = inheriting(shell, "latin", "closed=2", "files")
    for command in ALL:
        ended = odd.run(command, "--help")
        assert (ended.exit_code, ended.stderr) == (DONE, ""), command
        assert ended.stdout.startswith(f"Usage: {command}"), command
    assert odd.run("ao-new", name, "--executor", "command", "--", "echo", name) == Ended(
        DONE, "? ?\n", ""
    )
    for command in ("ao-get-result", "ao-logs", "ao-list-sessions"):
        ended = odd.run(command, *([name] if command != "ao-list-sessions" else []))
        assert (ended.exit_code, "? ?" in ended.stdout) == (DONE, True), command


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
        ended = shell.run_program(*shell.command(command, *arguments), stdout=writing)
        os.close(writing)
        assert ended.returncode == code, (command, ended)
        assert ended.stderr.startswith(b"ao-new: session 'x2' failed" if code else b""), ended
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
        for number in range(3):
            background = "(sleep 0 &) ; echo done"
            ended = there.run(
                "ao-new", f"n{number}", "--executor", "command", "--", "sh", "-c", background
            )
            assert ended == Ended(DONE, "done\n", ""), (ended, log.read_text())
        wait_for(lambda: len(first.children(recursive=True)) == 1, "only the manager is left")
        first.send_signal(signal.SIGTERM)
        assert outside.wait(WATCHDOG_SECONDS) == 0, log.read_text()


TELLING = """
import signal
from agent_orchestrator.shared.inherited import begin
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

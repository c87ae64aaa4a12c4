"""Commands that find or start a manager if no manager is configured.

Each test runs in a new network namespace, where port 8765 is free.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from agent_orchestrator import __version__
from agent_session_manager.machine.discovery import find_manager, find_managers
from tests.commands.processes import is_alive, stop_manager
from tests.commands.shell import DONE, FAILED, NOT_FOUND, Ended, Shell
from tests.commands.started_manager import PORT, manager_in, python_program, started
from tests.support.environment import BIN
from tests.support.forked_program import ForkedProgram
from tests.support.network_namespace import holder_of
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

LISTENER = """\
import socket, sys
with socket.create_server(("127.0.0.1", 8765)) as listening:
    print("up", flush=True)
    while True:
        connection, _ = listening.accept()
        said = b""
        while chunk := connection.recv(65536):
            said += chunk
        print(said, flush=True)
"""
"""Another program that listens on the manager's port and prints all data that it receives."""
OLDER = """\
import agent_session_manager
agent_session_manager.__version__ = "0.0.9"
from agent_session_manager.cli.main import main
main(["serve"])
"""


def test_first_command_starts_the_manager_and_the_next_finds_it(
    lonely: Shell, state_dir: Path
) -> None:
    first = lonely.run("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
    assert first == Ended(DONE, "hi\n", started("ao-new", state_dir))
    assert lonely.run("ao-get-result", "x") == Ended(DONE, "hi\n", "")
    log = (state_dir / "manager-8765.log").read_text()
    assert log.count('"message": "serving http://127.0.0.1:8765 ') == 1


@each_row("command", ["ao-clean", "ao-get-result", "ao-list-sessions", "ao-status"])
def test_every_command_that_needs_a_manager_starts_it(
    lonely: Shell, state_dir: Path, command: str
) -> None:
    arguments = [] if command == "ao-list-sessions" else ["missing"]
    ended = lonely.run(command, *arguments)
    assert ended.exit_code == (DONE if command == "ao-list-sessions" else NOT_FOUND)
    assert ended.stderr.startswith(started(command, state_dir))
    stop_manager(state_dir)


@each_row("command", ["ao-list-agents", "ao-show-config"])
def test_command_that_needs_no_manager_creates_nothing(
    lonely: Shell, own_home: Path, command: str
) -> None:
    assert lonely.run(command).exit_code == DONE
    assert list(own_home.iterdir()) == []
    assert list(lonely.directory.iterdir()) == []


def test_racing_commands_start_one_manager(lonely: Shell, state_dir: Path) -> None:
    racing = [lonely.start("ao-list-sessions", "--json") for _ in range(6)]
    ended = [running.end() for running in racing]
    assert [(end.exit_code, end.stdout) for end in ended] == [(DONE, "[]\n")] * 6
    assert sorted(end.stderr for end in ended) == [""] * 5 + [
        started("ao-list-sessions", state_dir)
    ]
    log = (state_dir / "manager-8765.log").read_text()
    assert log.count('"serving ') == 1


def test_racing_ao_new_have_one_winner_while_a_manager_starts(
    lonely: Shell, state_dir: Path
) -> None:
    command = ("ao-new", "same", "-p", "hi", "--executor", "command", "--", "cat")
    racing = [lonely.start(*command) for _ in range(2)]
    won, lost = sorted((running.end() for running in racing), key=lambda end: end.exit_code)
    assert (won.exit_code, won.stdout) == (DONE, "hi\n")
    assert (lost.exit_code, lost.stdout) == (FAILED, "")
    assert "there is a session 'same' in " in lost.stderr
    assert (won.stderr + lost.stderr).count(started("ao-new", state_dir)) == 1


def test_configured_manager_is_never_started(lonely: Shell, state_dir: Path) -> None:
    url = "http://127.0.0.1:8765"
    configured = lonely.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=url)
    ended = configured.run("ao-list-sessions")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert url in ended.stderr
    assert "agent-session-manager serve" in ended.stderr
    assert not state_dir.exists()


def test_manager_outlives_the_command_and_inherits_nothing(
    lonely: Shell, state_dir: Path, tmp_path: Path
) -> None:
    """Checks descriptors, secrets, the working directory, the terminal session and the umask."""
    leak = tmp_path / "leak"
    opens_a_file = ("sh", "-c", 'exec 9>"$0" && exec "$@"', str(leak))
    secretive = replace(lonely, prefix=(*lonely.prefix, *opens_a_file)).having(
        ANTHROPIC_API_KEY="secret-1",
        AGENT_ORCHESTRATOR_TOKEN="secret-2" * 5,
        SSH_AUTH_SOCK="secret-3",
        LD_LIBRARY_PATH="secret-4",
    )
    settings = {
        "AGENT_ORCHESTRATOR_BACKUP_EVERY_HOURS": "24",
        "AGENT_ORCHESTRATOR_ARCHIVE_AFTER_DAYS": "30",
    }
    secretive = secretive.having(**settings)
    with secretive.on_terminal("ao-list-sessions") as terminal:
        assert terminal.end()[0] == DONE
    manager = psutil.Process(manager_in(state_dir).pid)
    assert is_alive(manager.pid)
    descriptors = Path(f"/proc/{manager.pid}/fd").iterdir()
    targets = [str(descriptor.readlink()) for descriptor in descriptors]
    assert str(leak) not in targets
    assert [target for target in targets if target.startswith("/dev/pts")] == []
    files = {target for target in targets if target.startswith("/")}
    own = {f"{state_dir}/manager-8765.{suffix}" for suffix in ("log", "json", "lock")}
    own.add("/dev/null")
    assert files - own == {
        target for target in files if target.startswith(f"{state_dir}/sessions.db")
    }
    environment = Path(f"/proc/{manager.pid}/environ").read_text()
    assert "secret" not in environment
    passed = {"AGENT_ORCHESTRATOR_STATE_DIR", "HOME", "LANG", "PATH"}
    assert set(manager.environ()) == passed | settings.keys()
    assert settings.items() <= manager.environ().items()
    assert (manager.cwd(), os.getsid(manager.pid), manager.terminal()) == ("/", manager.pid, None)
    assert {path.stat().st_mode & 0o077 for path in [state_dir, *state_dir.iterdir()]} == {0}


def test_other_program_on_the_port_is_named_and_sent_nothing(
    lonely: Shell, state_dir: Path
) -> None:
    with python_program(lonely, LISTENER) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "up\n"
        ended = lonely.having(AGENT_ORCHESTRATOR_TOKEN="secret" * 8).run("ao-status", "x")
        assert listener.stdout.readline() == "b''\n"
        name = psutil.Process(listener.pid).name()
        listener.kill()
        assert set(listener.stdout.read().splitlines()) <= {"b''"}
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert ended.stderr.startswith(
        f"ao-status: port 8765 is held by {name!r} (process {listener.pid}), "
        "which is not your session manager; nothing was sent to it."
    )
    assert "AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=http://127.0.0.1:9000" in ended.stderr
    assert find_manager(state_dir, PORT) is None


def test_manager_of_another_state_directory_is_not_used(
    lonely: Shell, tmp_path: Path, state_dir: Path
) -> None:
    lonely.run("ao-list-sessions")
    other = lonely.having(AGENT_ORCHESTRATOR_STATE_DIR=str(tmp_path / "other"))
    ended = other.run("ao-list-sessions")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert f"(process {manager_in(state_dir).pid})" in ended.stderr


def test_manager_of_another_version_is_used_with_a_notice(lonely: Shell, state_dir: Path) -> None:
    with python_program(lonely, OLDER):
        wait_for(lambda: find_manager(state_dir, PORT), "the manager serves")
        ended = lonely.run("ao-list-sessions", "--json")
    assert ended == Ended(
        DONE,
        "[]\n",
        f"ao-list-sessions: the manager is version 0.0.9 and this command {__version__}: "
        "restart it with: agent-session-manager stop\n",
    )


@contextmanager
def manager_program(shell: Shell, *arguments: str) -> Iterator[ForkedProgram]:
    """Run `agent-session-manager` in the shell's network, and kill it at the end."""
    program = ForkedProgram(
        [str(BIN / "agent-session-manager"), *arguments],
        environment=shell.environment,
        directory=shell.directory,
        neighbour=holder_of(shell.prefix),
    )
    try:
        yield program
    finally:
        program.kill()


def test_manager_of_the_same_database_on_another_port_is_found(
    lonely: Shell, state_dir: Path
) -> None:
    def status(*options: str) -> tuple[int | None, str]:
        with manager_program(lonely, "status", *options) as asked:
            said, _ = asked.communicate(timeout=WATCHDOG_SECONDS)
            return asked.returncode, said.decode()

    with manager_program(lonely, "serve", "--port", "0") as serving:
        (found,) = wait_for(lambda: find_managers(state_dir) or None, "the manager serves")
        command = ("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
        assert lonely.run(*command) == Ended(DONE, "hi\n", "")
        assert f"manager: {found.url}, version" in lonely.run("ao-doctor").stdout
        code, said = status()
        assert (code, f"running: {found.url} " in said) == (0, True)
        assert status("--port", "8765") == (
            3,
            "no manager serves on port 8765; one serves on port "
            f"{found.port}: --port {found.port}\n",
        )
        other = lonely.having(AGENT_ORCHESTRATOR_DATABASE_URL=f"sqlite:///{state_dir}/other.db")
        assert other.run("ao-list-sessions").stderr == started("ao-list-sessions", state_dir)
        assert find_managers(state_dir) == [manager_in(state_dir), found]
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(WATCHDOG_SECONDS) == 0


def test_port_variable_sets_the_port_of_the_started_manager(lonely: Shell, state_dir: Path) -> None:
    for port in ("9001", "0"):
        chosen = lonely.having(AGENT_ORCHESTRATOR_PORT=port)
        assert f"none serves at http://127.0.0.1:{port}\n" in chosen.run("ao-doctor").stdout
        first = chosen.run("ao-list-sessions", "--json")
        assert (first.exit_code, first.stdout) == (DONE, "[]\n")
        (found,) = find_managers(state_dir)
        assert f"(process {found.pid})" in first.stderr
        assert found.port == int(port) or port == "0"
        assert chosen.run("ao-list-sessions", "--json") == Ended(DONE, "[]\n", "")
        stop_manager(state_dir)


def test_manager_uses_the_same_relative_state_directory(lonely: Shell, project: Path) -> None:
    relative = lonely.having(AGENT_ORCHESTRATOR_STATE_DIR="state")
    ended = relative.run("ao-list-sessions", "--json")
    try:
        assert ended == Ended(DONE, "[]\n", started("ao-list-sessions", project / "state"))
        assert (project / "state" / "sessions.db").exists()
    finally:
        stop_manager(project / "state")

"""With nothing configured, a command that needs a manager finds this machine's or starts it.

Each test has a network of its own, where port 8765 is free.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from agent_orchestrator import __version__
from agent_session_manager.machine.discovery import Announcement, find_manager, find_managers
from tests.commands.shell import (
    DONE,
    FAILED,
    NOT_FOUND,
    Ended,
    Shell,
    is_alive,
    is_waiting,
    stop_manager,
)
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

PORT = 8765

STRANGER = """\
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
"""Somebody who listens where the manager should, and prints all that each one says to them."""

GATED = """\
import sys
from agent_session_manager.cli.main import main
from agent_session_manager.machine import discovery
gated = getattr(discovery.DiscoveryFile, sys.argv[1])
def when_told(self, *arguments):
    print("at the gate", flush=True)
    sys.stdin.readline()
    gated(self, *arguments)
setattr(discovery.DiscoveryFile, sys.argv[1], when_told)
main(["serve"])
"""
"""A manager that has its port and announces itself, or has none any more and lets go, when told."""

DYING = """\
import os, socket
from agent_session_manager.machine.discovery import *
from agent_session_manager.settings import environment, load_settings
state = load_settings(environment()).state_dir
prepare_state_dir(state)
file = DiscoveryFile(discovery_path(state, 8765))
with socket.create_server(("127.0.0.1", 8765)) as listening:
    file.announce(Announcement(url="http://127.0.0.1:8765", pid=os.getpid(), instance="i",
                               version="1", database="d", token="t"))
    print("up", flush=True)
    listening.accept()
"""
"""A manager that is killed while somebody speaks to it: its locks go last."""

OLDER = """\
import agent_session_manager
agent_session_manager.__version__ = "0.0.9"
from agent_session_manager.cli.main import main
main(["serve"])
"""


def manager_in(state_dir: Path) -> Announcement:
    found = find_manager(state_dir, PORT)
    assert found is not None
    return found


def started(command: str, state_dir: Path) -> str:
    """What a command says that has started the manager."""
    return (
        f"{command}: started a session manager (process {manager_in(state_dir).pid}); "
        f"its log is {state_dir}/manager-8765.log\n"
    )


@contextmanager
def beside(shell: Shell, source: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program in the shell's network and environment, killed in the end."""
    process = subprocess.Popen(
        [*shell.prefix, sys.executable, "-c", source, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=shell.directory,
        env=shell.environment,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_a_command_starts_the_manager_says_so_and_the_next_one_finds_it(
    lonely: Shell, state_dir: Path
) -> None:
    first = lonely.run("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
    assert first == Ended(DONE, "hi\n", started("ao-new", state_dir))
    assert lonely.run("ao-get-result", "x") == Ended(DONE, "hi\n", "")
    log = (state_dir / "manager-8765.log").read_text()
    assert log.count('"message": "serving http://127.0.0.1:8765 ') == 1


@pytest.mark.parametrize("command", ["ao-clean", "ao-get-result", "ao-list-sessions", "ao-status"])
def test_every_command_that_needs_one_starts_it(
    lonely: Shell, state_dir: Path, command: str
) -> None:
    arguments = [] if command == "ao-list-sessions" else ["nobody"]
    ended = lonely.run(command, *arguments)
    assert ended.exit_code == (DONE if command == "ao-list-sessions" else NOT_FOUND)
    assert ended.stderr.startswith(started(command, state_dir))


@pytest.mark.parametrize("command", ["ao-list-agents", "ao-show-config"])
def test_a_command_that_needs_none_starts_none_and_creates_nothing(
    lonely: Shell, own_home: Path, command: str
) -> None:
    assert lonely.run(command).exit_code == DONE
    assert list(own_home.iterdir()) == []
    assert list(lonely.directory.iterdir()) == []


def test_two_racing_auto_starts_start_one_and_so_do_six(lonely: Shell, state_dir: Path) -> None:
    racing = [lonely.start("ao-list-sessions", "--json") for _ in range(6)]
    ended = [running.end() for running in racing]
    assert [(end.exit_code, end.stdout) for end in ended] == [(DONE, "[]\n")] * 6
    assert sorted(end.stderr for end in ended) == [""] * 5 + [
        started("ao-list-sessions", state_dir)
    ]
    log = (state_dir / "manager-8765.log").read_text()
    assert log.count('"serving ') == 1


def test_two_racing_ao_new_of_one_name_where_none_serves_yet_have_one_winner(
    lonely: Shell, state_dir: Path
) -> None:
    command = ("ao-new", "same", "-p", "hi", "--executor", "command", "--", "cat")
    racing = [lonely.start(*command) for _ in range(2)]
    won, lost = sorted((running.end() for running in racing), key=lambda end: end.exit_code)
    assert (won.exit_code, won.stdout) == (DONE, "hi\n")
    assert (lost.exit_code, lost.stdout) == (FAILED, "")
    assert "there is a session 'same' in " in lost.stderr
    assert (won.stderr + lost.stderr).count(started("ao-new", state_dir)) == 1


def test_a_configured_manager_is_never_started_not_even_at_the_default_address(
    lonely: Shell, state_dir: Path
) -> None:
    url = "http://127.0.0.1:8765"
    configured = lonely.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=url)
    ended = configured.run("ao-list-sessions")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert url in ended.stderr
    assert "agent-session-manager serve" in ended.stderr
    assert not state_dir.exists()


def test_the_manager_outlives_the_command_and_has_nothing_of_it(
    lonely: Shell, state_dir: Path, tmp_path: Path
) -> None:
    """Neither its descriptors nor its secrets, its directory, its terminal's session or umask."""
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


def test_a_stranger_on_the_port_is_named_and_told_nothing(lonely: Shell, state_dir: Path) -> None:
    with beside(lonely, STRANGER) as stranger:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == "up\n"
        ended = lonely.having(AGENT_ORCHESTRATOR_TOKEN="secret" * 8).run("ao-status", "x")
        assert stranger.stdout.readline() == "b''\n"
        name = psutil.Process(stranger.pid).name()
        stranger.kill()
        assert set(stranger.stdout.read().splitlines()) <= {"b''"}
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert ended.stderr.startswith(
        f"ao-status: port 8765 is held by {name!r} (process {stranger.pid}), "
        "which is not your session manager and is told nothing."
    )
    assert "AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=http://127.0.0.1:9000" in ended.stderr
    assert find_manager(state_dir, PORT) is None


def test_the_manager_of_another_state_directory_is_a_stranger(
    lonely: Shell, tmp_path: Path, state_dir: Path
) -> None:
    lonely.run("ao-list-sessions")
    other = lonely.having(AGENT_ORCHESTRATOR_STATE_DIR=str(tmp_path / "other"))
    ended = other.run("ao-list-sessions")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert f"(process {manager_in(state_dir).pid})" in ended.stderr


def test_a_manager_of_another_version_is_noted_and_used(lonely: Shell, state_dir: Path) -> None:
    with beside(lonely, OLDER):
        wait_for(lambda: find_manager(state_dir, PORT), "it serves")
        ended = lonely.run("ao-list-sessions", "--json")
    assert ended == Ended(
        DONE,
        "[]\n",
        f"ao-list-sessions: the manager is version 0.0.9 and this command {__version__}: "
        "restart it with: agent-session-manager stop\n",
    )


def test_after_a_killed_manager_the_next_command_starts_another_on_the_same_state(
    lonely: Shell, state_dir: Path
) -> None:
    lonely.run("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
    pid = manager_in(state_dir).pid
    psutil.Process(pid).kill()
    wait_for(lambda: not is_alive(pid), "it is dead")
    ended = lonely.run("ao-get-result", "x")
    assert ended == Ended(DONE, "hi\n", started("ao-get-result", state_dir))
    assert manager_in(state_dir).pid != pid


def test_a_manager_that_dies_under_a_command_is_replaced(lonely: Shell, state_dir: Path) -> None:
    with beside(lonely, DYING) as dying:
        assert dying.stdout is not None and dying.stdout.readline() == "up\n"
        ended = lonely.run("ao-list-sessions", "--json")
        assert ended == Ended(DONE, "[]\n", started("ao-list-sessions", state_dir))
        assert dying.wait(WATCHDOG_SECONDS) == 0


def test_a_manager_that_starts_slowly_is_waited_for(lonely: Shell, state_dir: Path) -> None:
    with beside(lonely, GATED, "announce") as starting:
        assert starting.stdin is not None and starting.stdout is not None
        assert starting.stdout.readline() == "at the gate\n"
        running = lonely.start("ao-list-sessions", "--json")
        wait_for((state_dir / "start.lock").exists, "the command waits")
        starting.stdin.write("serve\n")
        starting.stdin.flush()
        assert running.end() == Ended(DONE, "[]\n", "")
        assert manager_in(state_dir).pid == starting.pid


def test_a_manager_that_stops_slowly_is_waited_for(lonely: Shell, state_dir: Path) -> None:
    with beside(lonely, GATED, "close") as stopping:
        assert stopping.stdin is not None and stopping.stdout is not None
        wait_for(lambda: find_manager(state_dir, PORT), "it serves")
        stopping.terminate()
        assert stopping.stdout.readline() == "at the gate\n"
        running = lonely.start("ao-list-sessions", "--json")
        wait_for(lambda: is_waiting(running.pid), "the command waits")
        stopping.stdin.write("end\n")
        stopping.stdin.flush()
        assert running.end() == Ended(DONE, "[]\n", started("ao-list-sessions", state_dir))


def test_what_an_earlier_boot_has_left_is_no_obstacle(lonely: Shell, state_dir: Path) -> None:
    lonely.run("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
    stop_manager(state_dir)
    for name in (f"manager-{PORT}.json", "sessions.db.lock"):
        said = json.loads((state_dir / name).read_text() or "{}")
        said |= {"pid": os.getpid(), "processes": "b pid:[1]", "network": "b net:[1]"}
        (state_dir / name).write_text(json.dumps(said))
    (state_dir / f"manager-{PORT}.new").write_text("half")
    ended = lonely.run("ao-get-result", "x")
    assert ended == Ended(DONE, "hi\n", started("ao-get-result", state_dir))


@pytest.mark.parametrize("arguments", [["--port", "9000"], ["--port", "0"]])
def test_a_manager_of_the_same_record_on_another_port_is_found(
    lonely: Shell, state_dir: Path, arguments: list[str]
) -> None:
    serve = "from agent_session_manager.cli.main import main; main({})".format(
        ["serve", *arguments]
    )
    status = "import subprocess, sys; print(subprocess.run([*sys.argv[1:]]).returncode)"
    with beside(lonely, serve) as serving:
        (found,) = wait_for(lambda: find_managers(state_dir) or None, "it serves")
        command = ("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
        assert lonely.run(*command) == Ended(DONE, "hi\n", "")
        assert f"manager: {found.url}, version" in lonely.run("ao-doctor").stdout
        said = lonely.output_of(status, "agent-session-manager", "status")
        assert f"running: {found.url} " in said
        assert said.endswith("\n0\n")
        said = lonely.output_of(status, "agent-session-manager", "status", "--port", "8765")
        assert said == (
            "no manager serves on port 8765; one serves on port "
            f"{found.port}: --port {found.port}\n3\n"
        )
        other = lonely.having(AGENT_ORCHESTRATOR_DATABASE_URL=f"sqlite:///{state_dir}/other.db")
        assert other.run("ao-list-sessions").stderr == started("ao-list-sessions", state_dir)
        assert find_managers(state_dir) == [manager_in(state_dir), found]
        serving.terminate()
        assert serving.wait(WATCHDOG_SECONDS) is not None


def test_a_port_of_the_environment_is_the_managers_own(lonely: Shell, state_dir: Path) -> None:
    for port in ("9001", "0"):
        chosen = lonely.having(AGENT_ORCHESTRATOR_PORT=port)
        assert f"http://127.0.0.1:{port}/health" in chosen.run("ao-doctor").stdout
        first = chosen.run("ao-list-sessions", "--json")
        assert (first.exit_code, first.stdout) == (DONE, "[]\n")
        (found,) = find_managers(state_dir)
        assert f"(process {found.pid})" in first.stderr
        assert found.port == int(port) or port == "0"
        assert chosen.run("ao-list-sessions", "--json") == Ended(DONE, "[]\n", "")
        stop_manager(state_dir)


def test_a_relative_state_directory_is_the_same_one_for_the_manager(
    lonely: Shell, project: Path
) -> None:
    relative = lonely.having(AGENT_ORCHESTRATOR_STATE_DIR="state")
    ended = relative.run("ao-list-sessions", "--json")
    try:
        assert ended == Ended(DONE, "[]\n", started("ao-list-sessions", project / "state"))
        assert (project / "state" / "sessions.db").exists()
    finally:
        stop_manager(project / "state")


def test_a_manager_that_cannot_start_is_reported_with_its_last_words(
    lonely: Shell, state_dir: Path
) -> None:
    (state_dir / "sessions.db").mkdir(parents=True)
    state_dir.chmod(0o700)
    ended = lonely.run("ao-list-sessions")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    log = state_dir / "manager-8765.log"
    last = log.read_text().strip().splitlines()[-1]
    assert ended.stderr == (
        f"ao-list-sessions: the session manager did not start: {last} (log: {log})\n"
    )
    assert re.search(r"sessions\.db", last)


def test_a_state_directory_that_cannot_be_is_named(lonely: Shell) -> None:
    nowhere = lonely.having(AGENT_ORCHESTRATOR_STATE_DIR="/dev/null/state")
    assert nowhere.run("ao-list-sessions") == Ended(
        FAILED,
        "",
        "ao-list-sessions: cannot use the state directory /dev/null/state: Not a directory\n",
    )


def test_a_state_directory_that_others_can_enter_is_refused_with_what_to_do(
    lonely: Shell, state_dir: Path
) -> None:
    state_dir.mkdir(parents=True)
    state_dir.chmod(0o755)
    ended = lonely.run("ao-list-sessions")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert f"{state_dir}: it is open to others: chmod 700 {state_dir}" in ended.stderr


def lean_python(directory: Path, packages: Sequence[str]) -> Path:
    """A Python of its own that has these packages and no more: where only the plugin is."""
    make = [sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(directory)]
    subprocess.run(make, check=True, timeout=60)
    (site,) = directory.glob("lib/python*/site-packages")
    for name in packages:
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        source = Path(spec.origin)
        source = source.parent if source.name == "__init__.py" else source
        (site / source.name).symlink_to(source)
    return directory / "bin" / "python"


CLICK_AND_HTTPX = (
    *("anyio", "certifi", "click", "h11", "httpcore", "httpx", "idna"),
    "typing_extensions",
)


def test_where_only_the_plugin_is_commands_say_what_to_install_and_start(
    lonely: Shell, tmp_path: Path, own_home: Path
) -> None:
    python = lean_python(tmp_path / "lean", CLICK_AND_HTTPX)
    plugin = replace(lonely, python=(str(python),)).having(PATH="/usr/bin:/bin")
    for command in ("ao-list-sessions", "ao-status"):
        arguments = ["x"] if command == "ao-status" else []
        assert plugin.run(command, *arguments) == Ended(
            FAILED,
            "",
            f"{command}: no session manager answers at http://127.0.0.1:8765 and none is installed "
            "here. Install and start one with: pip install agent-orchestrator && "
            "agent-session-manager serve (or name one in AGENT_ORCHESTRATOR_SESSION_MANAGER_URL)\n",
        )
    assert plugin.run("ao-show-config").exit_code == DONE


def test_where_only_the_plugin_is_a_manager_that_runs_is_used(
    lonely: Shell, tmp_path: Path
) -> None:
    """The light commands need nothing but click and httpx."""
    lonely.run("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
    python = lean_python(tmp_path / "lean", CLICK_AND_HTTPX)
    plugin = replace(lonely, python=(str(python),)).having(PATH="/usr/bin:/bin")
    assert plugin.run("ao-list-agents") == Ended(DONE, "", "")
    assert plugin.run("ao-show-config").exit_code == DONE
    assert plugin.run("ao-list-sessions").exit_code == DONE
    assert plugin.run("ao-status", "x") == Ended(DONE, "finished\n", "")
    assert plugin.run("ao-get-result", "x") == Ended(DONE, "hi\n", "")
    assert plugin.run("ao-clean", "x").exit_code == DONE

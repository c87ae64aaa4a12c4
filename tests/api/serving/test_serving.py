"""The process from outside: start, discovery, conflicts with other processes, and stop."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from agent_session_manager import __version__
from agent_session_manager.machine.discovery import discovery_path, find_manager
from tests.support.api import Api
from tests.support.environment import scrubbed_environment
from tests.support.manager import PROGRAM, RunningManager
from tests.support.manager_command import Ran, assert_failed, run
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

StartManager = Callable[..., RunningManager]


def run_beside(manager: RunningManager, *arguments: str) -> Ran:
    return run(manager.home, *arguments, "--port", str(manager.port), state=manager.state_dir)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def listens_on(pid: int) -> set[tuple[str, int]]:
    connections = psutil.Process(pid).net_connections("inet")
    return {(c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN}


def test_manager_listens_only_on_loopback(manager: RunningManager) -> None:
    hosts = ["127.0.0.1", "::1"] if has_ipv6() else ["127.0.0.1"]
    assert listens_on(manager.pid) == {(host, manager.port) for host in hosts}
    for host in hosts:
        with socket.create_connection((host, manager.port), timeout=WATCHDOG_SECONDS) as opened:
            name = f"[{host}]" if ":" in host else host
            head = f"GET /health HTTP/1.1\r\nHost: {name}:{manager.port}\r\n\r\n"
            opened.sendall(head.encode())
            assert opened.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_files_of_the_manager_are_private(manager: RunningManager) -> None:
    assert mode(manager.state_dir) == 0o700
    modes = {path.name: mode(path) for path in manager.state_dir.iterdir()}
    assert {"sessions.db", "sessions.db.lock", f"manager-{manager.port}.json"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_running_manager_is_announced_and_keeps_its_token(
    start_manager: StartManager,
) -> None:
    own = start_manager()
    first = own.announcement
    assert (first.url, first.pid, first.version) == (own.url, own.pid, __version__)
    assert first.database == f"sqlite:///{own.state_dir / 'sessions.db'}"
    assert len(first.token) >= 43
    assert own.stop() == 0
    assert find_manager(own.state_dir, own.port) is None
    own.restart()
    assert own.announcement.token == first.token
    assert own.announcement.instance != first.instance
    own.kill()
    assert find_manager(own.state_dir, own.port) is None


def test_token_is_only_in_its_file(manager: RunningManager) -> None:
    process = psutil.Process(manager.pid)
    assert manager.token not in " ".join(process.cmdline())
    assert manager.token not in " ".join(process.environ().values())
    assert manager.token not in manager.log()
    assert manager.token not in repr(manager.announcement)


def test_rotated_token_is_refused_by_the_next_manager(
    start_manager: StartManager,
) -> None:
    own = start_manager()
    old = own.token
    assert_failed(run_beside(own, "rotate-token"), 1, str(own.port), "agent-session-manager stop")
    assert find_manager(own.state_dir, own.port) == own.announcement
    own.stop()
    ran = run_beside(own, "rotate-token")
    said = f"the next manager on port {own.port} has a new token\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, said, "")
    path = discovery_path(own.state_dir, own.port)
    assert mode(path) == 0o600
    assert old not in path.read_text()
    own.restart()
    with Api(own) as api:
        assert api.get("/sessions").status == 200
        api.headers = {"Authorization": f"Bearer {old}"}
        assert api.get("/sessions").refusal == (401, "unauthorized")


def test_token_is_rotated_only_in_an_existing_private_file(tmp_path: Path) -> None:
    ran = run(tmp_path, "rotate-token", "--port", "1", state=tmp_path)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert list(tmp_path.iterdir()) == []
    variable = "AGENT_ORCHESTRATOR_TOKEN"
    ran = run(tmp_path, "rotate-token", variables={variable: "x" * 32})
    assert_failed(ran, 1, variable)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    link = discovery_path(tmp_path, 1)
    link.symlink_to(elsewhere)
    ran = run(tmp_path, "rotate-token", "--port", "1", state=tmp_path)
    assert_failed(ran, 1, str(tmp_path))
    assert elsewhere.read_text() == "precious"


def test_manager_uses_the_token_of_the_environment(start_manager: StartManager) -> None:
    token = "a-token-that-a-user-chose-for-a-tunnel"
    own = start_manager(variables={"AGENT_ORCHESTRATOR_TOKEN": token})
    assert own.token == token


def test_origin_without_tls_is_warned_of(start_manager: StartManager) -> None:
    own = start_manager(arguments=["--allow-origin", "http://pages.test,https://safe.test"])
    (warning,) = [line for line in own.log().splitlines() if "has no TLS" in line]
    assert "http://pages.test" in warning


@each_row("number", [signal.SIGTERM, signal.SIGINT])
def test_manager_stops_cleanly_on_a_signal(
    start_manager: StartManager, number: signal.Signals
) -> None:
    own = start_manager()
    own.process.send_signal(number)
    assert own.process.wait(WATCHDOG_SECONDS) == 0
    assert '"trace": ' not in own.log()
    assert not (own.state_dir / "sessions.db-wal").exists()


def test_second_manager_on_the_port_names_the_first(manager: RunningManager) -> None:
    ran = run_beside(manager, "serve")
    assert_failed(ran, 1, manager.url, str(manager.pid), "agent-session-manager stop")
    assert manager.process.poll() is None


def test_second_manager_on_the_database_names_the_first(manager: RunningManager) -> None:
    ran = run(manager.home, "serve", "--port", "0", state=manager.state_dir)
    assert_failed(ran, 1, "sessions.db", str(manager.pid))
    assert manager.process.poll() is None
    assert find_manager(manager.state_dir, manager.port) == manager.announcement


def test_port_of_another_state_directory_is_in_use(manager: RunningManager, tmp_path: Path) -> None:
    ran = run(tmp_path, "serve", "--port", str(manager.port))
    assert_failed(ran, 1, str(manager.port), "another program", "--port")


@each_row("address", ["127.0.0.1", "::1", "0.0.0.0"])
def test_port_of_another_program_is_an_error(tmp_path: Path, address: str) -> None:
    if ":" in address and not has_ipv6():
        pytest.skip("this machine has no ::1")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as stranger:
        port = str(stranger.getsockname()[1])
        assert_failed(run(tmp_path, "serve", "--port", port), 1, port, "another program")


def test_status_describes_the_manager_without_the_token(manager: RunningManager) -> None:
    ran = run_beside(manager, "status")
    assert (ran.returncode, ran.stderr) == (0, "")
    for word in (manager.url, str(manager.pid), __version__, "sessions.db"):
        assert word in ran.stdout
    as_json = run_beside(manager, "status", "--json")
    assert json.loads(as_json.stdout) == {
        "running": True,
        "manager": {
            "url": manager.url,
            "pid": manager.pid,
            "instance": manager.announcement.instance,
            "version": __version__,
            "database": manager.announcement.database,
        },
    }
    assert manager.token not in ran.stdout + as_json.stdout


def test_status_without_manager_exits_3(tmp_path: Path) -> None:
    ran = run(tmp_path, "status", "--port", "1")
    assert (ran.returncode, "no manager serves on port 1" in ran.stdout) == (3, True)
    as_json = run(tmp_path, "status", "--port", "1", "--json")
    assert (as_json.returncode, json.loads(as_json.stdout)) == (
        3,
        {"running": False, "manager": None},
    )


def test_stop_returns_after_the_manager_has_exited(start_manager: StartManager) -> None:
    own = start_manager()
    ran = run_beside(own, "stop")
    assert (ran.returncode, ran.stdout) == (0, f"stopped {own.url}\n")
    assert own.process.wait(WATCHDOG_SECONDS) == 0
    again = run_beside(own, "stop")
    assert (again.returncode, again.stdout) == (3, "")
    assert str(own.port) in again.stderr


def test_logs_prints_the_log_of_a_background_manager(tmp_path: Path) -> None:
    log = tmp_path / "manager-1.log"
    missing = run(tmp_path, "logs", "--port", "1", state=tmp_path)
    assert (missing.returncode, missing.stdout) == (3, "")
    assert str(log) in missing.stderr
    log.write_bytes(b"one\ntwo\xff\nthree\n")
    printed = {
        lines: run(tmp_path, "logs", "--port", "1", "-n", lines, state=tmp_path).stdout
        for lines in ("0", "2", "100")
    }
    assert printed == {"0": "", "2": "two\ufffd\nthree\n", "100": "one\ntwo\ufffd\nthree\n"}


def test_logs_and_status_find_the_manager_on_another_port(
    tmp_path: Path, start_manager: StartManager
) -> None:
    own = start_manager()
    (own.state_dir / f"manager-{own.port}.log").write_text("its line\n")
    found = run(tmp_path, "logs", state=own.state_dir)
    assert (found.returncode, found.stdout, found.stderr) == (0, "its line\n", "")
    assert own.url in run(tmp_path, "status", state=own.state_dir).stdout
    missing = run(tmp_path, "logs", "--port", "1", state=own.state_dir)
    assert (missing.returncode, f"--port {own.port}" in missing.stderr) == (3, True)


def test_followed_log_prints_new_lines_until_ctrl_c(tmp_path: Path) -> None:
    log = tmp_path / "manager-1.log"
    log.write_text("before\n")
    out = tmp_path / "out"
    with out.open("wb") as written:
        following = subprocess.Popen(
            [PROGRAM, "logs", "--port", "1", "--state-dir", str(tmp_path), "-f"],
            env={**scrubbed_environment(tmp_path), "PYTHONUNBUFFERED": "1"},
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: out.read_text() == "before\n", "the old line is printed")
        with log.open("a") as appended:
            appended.write("after\n")
        wait_for(lambda: out.read_text() == "before\nafter\n", "the new line is printed")
        following.send_signal(signal.SIGINT)
        assert following.wait(WATCHDOG_SECONDS) == 0
        assert out.read_text() == "before\nafter\n"
    finally:
        following.kill()
        following.wait(WATCHDOG_SECONDS)


def test_openapi_is_printed_without_a_manager(tmp_path: Path) -> None:
    ran = run(tmp_path, "openapi")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["info"]["version"] == __version__
    assert list(tmp_path.iterdir()) == []


@each_row(
    "arguments", [["--help"], ["-h"], ["serve", "--help"], ["status", "-h"], ["logs", "--help"]]
)
def test_help_prints_usage(tmp_path: Path, arguments: Sequence[str]) -> None:
    ran = run(tmp_path, *arguments)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("Usage: agent-session-manager")


def test_version_prints_the_version(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout == f"agent-session-manager, version {__version__}\n"


@each_row(
    "arguments",
    [["nonsense"], ["serve", "--port", "65536"], ["serve", "--port", "x"], ["status", "x"]],
)
def test_usage_error_exits_2(tmp_path: Path, arguments: Sequence[str]) -> None:
    ran = run(tmp_path, *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "Traceback" not in ran.stderr


@each_row("command", ["serve", "status", "stop", "logs", "rotate-token"])
def test_invalid_setting_exits_2_and_names_it(tmp_path: Path, command: str) -> None:
    ran = run(tmp_path, command, variables={"AGENT_ORCHESTRATOR_PORT": "http"})
    assert_failed(ran, 2, "AGENT_ORCHESTRATOR_PORT", "'http'")


def test_state_directory_open_to_others_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o755)
    assert_failed(run(tmp_path, "serve", "--port", "0", state=state), 1, f"chmod 700 {state}")
    assert list(state.iterdir()) == []


def test_discovery_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    path = discovery_path(state, port)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    path.symlink_to(elsewhere)
    assert_failed(run(tmp_path, "serve", "--port", str(port), state=state), 1, str(path))
    assert elsewhere.read_text() == "precious"


def test_unavailable_database_error_names_its_url(tmp_path: Path) -> None:
    ran = run(
        tmp_path, "serve", "--port", "0", "--database-url", "postgresql://u:secret@127.0.0.1:1/x"
    )
    assert_failed(ran, 1, "u:***@127.0.0.1:1/x")
    assert "secret" not in ran.stderr


def test_file_that_is_not_a_database_is_refused_and_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    content = b"x"  # so short that SQLite treats the file as empty
    path.touch(0o600)
    path.write_bytes(content)
    ran = run(tmp_path, "serve", "--port", "0", "--database-url", f"sqlite:///{path}")
    assert_failed(ran, 1, str(path), "not a database")
    assert path.read_bytes() == content
    assert not path.with_name("precious-wal").exists()


STOPPED_EARLY = """\
import os, signal, sys
from agent_session_manager import serve as serving
from agent_session_manager.cli.main import main

serve = serving._Server.serve

async def stop_first(self, sockets=None):
    os.kill(os.getpid(), signal.SIGTERM)
    await serve(self, sockets)

serving._Server.serve = stop_first
main(["serve", "--port", "0", "--state-dir", sys.argv[1]])
"""


def test_signal_at_the_start_of_serving_stops_the_manager(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", STOPPED_EARLY, str(tmp_path / "state")]
    ended = subprocess.run(command, timeout=60, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stderr.splitlines()[-1])["message"] == "stopped"

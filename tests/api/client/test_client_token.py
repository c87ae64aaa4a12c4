"""The client sends the token to the manager that serves on this machine, and to no other server."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.session_client import SessionClient, SessionClientError
from tests.support.manager import RunningManager
from tests.support.recording import RecordingServer, recording
from tests.support.rows import each_row

TOKEN = "secret-of-the-manager-that-serves"


@pytest.fixture
def state_dir(own_home: Path) -> Path:
    """Create the default state directory: the client uses it if no variable names another."""
    directory = own_home / ".local" / "state" / "agent-orchestrator"
    directory.mkdir(parents=True, mode=0o700)
    return directory


def announce(path: Path, content: bytes = json.dumps({"token": TOKEN}).encode()) -> Path:
    path.touch(0o600)
    path.write_bytes(content)
    return path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock that a manager holds while it serves."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def token_sent(server: RecordingServer, url: str | None = None) -> str | None:
    """Return the `Authorization` header of a new request to `url`."""
    with SessionClient(url or server.url) as client, suppress(SessionClientError):
        client.get_status("some-id")
    return server.requests[-1].headers.get("authorization")


@each_row(
    ("address", "host"), [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "localhost"), ("::1", "[::1]")]
)
def test_token_is_sent_to_the_manager_that_locks_its_file(
    state_dir: Path, address: str, host: str
) -> None:
    with (
        recording(address=address) as server,
        held(announce(state_dir / f"manager-{server.port}.json")),
    ):
        assert token_sent(server, f"http://{host}:{server.port}") == f"Bearer {TOKEN}"


def test_token_is_found_in_the_configured_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(tmp_path))
    with recording() as server, held(announce(tmp_path / f"manager-{server.port}.json")):
        assert token_sent(server) == f"Bearer {TOKEN}"


def test_other_server_on_a_gone_managers_port_gets_no_token(state_dir: Path) -> None:
    with recording() as server:
        announce(state_dir / f"manager-{server.port}.json")
        assert token_sent(server) is None


def test_token_is_not_sent_after_the_manager_released_its_lock(state_dir: Path) -> None:
    with recording() as server, SessionClient(server.url) as client:
        path = announce(state_dir / f"manager-{server.port}.json")
        with held(path), suppress(SessionClientError):
            client.get_status("some-id")
        with suppress(SessionClientError):
            client.get_status("some-id")
    sent = [received.headers.get("authorization") for received in server.requests]
    assert (sent, server.connections) == ([f"Bearer {TOKEN}", None], 1)


def test_token_of_another_port_is_not_sent(state_dir: Path) -> None:
    with recording() as server, held(announce(state_dir / f"manager-{server.port + 1}.json")):
        assert token_sent(server) is None


def test_token_is_not_sent_to_another_loopback_address(state_dir: Path) -> None:
    with (
        recording(address="127.0.0.2") as server,
        held(announce(state_dir / f"manager-{server.port}.json")),
    ):
        assert token_sent(server) is None


def linked(path: Path) -> Path:
    path.symlink_to(announce(path.with_suffix(".elsewhere")))
    return path


def readable_by_others(path: Path) -> Path:
    announce(path).chmod(0o644)
    return path


def of_another_user(path: Path) -> Path:
    if os.geteuid() == 0:
        os.chown(announce(path), 65534, 65534)
        return path
    return Path("/etc/passwd")  # owned by root: the test writes no file


@each_row("make", [linked, readable_by_others, of_another_user])
def test_token_file_that_is_not_private_is_ignored(
    state_dir: Path, make: Callable[[Path], Path]
) -> None:
    with recording() as server, held(make(state_dir / f"manager-{server.port}.json")):
        assert token_sent(server) is None


@each_row(
    "content",
    [b"", b"{", b"[]", b"7", b"null", b"{}", b'{"token": 7}', b'{"token": null}', b"\xff\xfe"],
)
def test_token_file_with_other_content_is_ignored(state_dir: Path, content: bytes) -> None:
    with recording() as server, held(announce(state_dir / f"manager-{server.port}.json", content)):
        assert token_sent(server) is None


@each_row("token", ["two\r\nX-Other: lines", "two\x7f", "twoé", "two\ud800"])
def test_token_that_a_header_cannot_hold_is_not_sent_or_shown(state_dir: Path, token: str) -> None:
    content = json.dumps({"token": token}).encode()
    with (
        recording() as server,
        held(announce(state_dir / f"manager-{server.port}.json", content)),
        SessionClient(server.url) as client,
        pytest.raises(SessionClientError) as caught,
    ):
        client.get_status("some-id")
    assert server.requests == []
    assert "two" not in str(caught.value)


def test_environment_token_is_sent_to_the_configured_url_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AGENT_ORCHESTRATOR_TOKEN", "for-the-tunnel")
    with recording() as server, recording(address="127.0.0.2") as other:
        assert token_sent(server) is None
        monkeypatch.setenv("AGENT_ORCHESTRATOR_TOKEN", "for-the-tunnel\n")
        monkeypatch.setenv("AGENT_ORCHESTRATOR_SESSION_MANAGER_URL", server.url + "/")
        assert token_sent(server) == "Bearer for-the-tunnel"
        assert token_sent(server, f"http://localhost:{server.port}") is None
        assert token_sent(other) is None


def test_token_of_a_local_manager_precedes_the_environment_token(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_ORCHESTRATOR_TOKEN", "for-the-tunnel")
    with recording() as server, held(announce(state_dir / f"manager-{server.port}.json")):
        monkeypatch.setenv("AGENT_ORCHESTRATOR_SESSION_MANAGER_URL", server.url)
        assert token_sent(server) == f"Bearer {TOKEN}"


def test_request_without_a_token_is_refused(manager: RunningManager) -> None:
    with SessionClient(manager.url) as client, pytest.raises(SessionClientError) as caught:
        client.list_sessions()
    assert (caught.value.status_code, caught.value.code) == (401, "unauthorized")


def test_token_variable_authenticates_at_a_manager(
    manager: RunningManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_ORCHESTRATOR_TOKEN", manager.token)
    monkeypatch.setenv("AGENT_ORCHESTRATOR_SESSION_MANAGER_URL", manager.url)
    with SessionClient(manager.url) as client:
        assert client.get_status("some-id") == "not_existent"


@each_row("is_configured", [True, False])
def test_run_token_is_sent_only_while_the_local_manager_serves(
    state_dir: Path, is_configured: bool
) -> None:
    """Another process that takes its port while the manager is down gets no token."""
    with recording() as server, ExitStack() as stack:
        file = announce(state_dir / f"manager-{server.port}.json")
        with held(file):
            client = stack.enter_context(
                ManagerClient(server.url, run_token="run-x", is_configured=is_configured)
            )
            assert run_token_sent(client, server) == "Bearer run-x"
        assert run_token_sent(client, server) is None
        with held(file):
            assert run_token_sent(client, server) == "Bearer run-x"


def run_token_sent(client: ManagerClient, server: RecordingServer) -> str | None:
    with suppress(SessionClientError):
        client.get_status("some-id")
    return server.requests[-1].headers.get("authorization")

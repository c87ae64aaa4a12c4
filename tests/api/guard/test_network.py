"""Serving other machines: requires TLS, the option --allow-network, and a token."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.session_client import SessionClient, SessionClientError
from agent_session_manager.settings import SettingsError, load_settings
from agent_session_manager.transport import tls
from agent_session_manager.transport.tls import TlsError, load_tls, serve_tls
from tests.support.environment import scrubbed_environment
from tests.support.forked_command import run_forked
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.tls import ADDRESS, Certificates, make_certificates
from tests.support.waiting import WATCHDOG_SECONDS

FILES: dict[str, Any] = {"tls_certificate": "/c.pem", "tls_key": "/k.pem"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def far(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[RunningManager]:
    """Start a manager that also serves other machines."""
    arguments = [*certificates.arguments, "--allow-host", "manager.test:443"]
    running = RunningManager(tmp_path_factory.mktemp("far"), arguments=arguments)
    yield running
    assert running.stop() == 0, running.log()


def far_url(manager: RunningManager) -> str:
    return f"https://{ADDRESS}:{manager.port}"


@pytest.fixture
def elsewhere(
    far: RunningManager, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """Set the environment of another machine: URL, token and CA are configured by variables."""
    monkeypatch.setenv("AGENT_ORCHESTRATOR_SESSION_MANAGER_URL", far_url(far))
    monkeypatch.setenv("AGENT_ORCHESTRATOR_TOKEN", far.token)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    return monkeypatch


@pytest.fixture
def far_client(far: RunningManager, elsewhere: pytest.MonkeyPatch) -> Iterator[ManagerClient]:
    """Open a client with the configuration of another machine."""
    with ManagerClient(far_url(far)) as client:
        yield client


@each_row("address", ["10.1.2.3", "192.168.0.7", "fe80::1", ADDRESS, "::ffff:a01:1"])
@each_row("missing", [("allow_network",), ("tls_key",), ("tls_certificate",), tuple(FILES)])
def test_network_address_needs_both_tls_files_and_allow_network(
    address: str, missing: tuple[str, ...]
) -> None:
    given: dict[str, Any] = {**FILES, "allow_network": "on"}
    for name in missing:
        del given[name]
    with pytest.raises(SettingsError, match=r"needs --tls-certificate .* --tls-key .* --allow-net"):
        load_settings({}, bind=address, **given)


@each_row("address", ["10.1.2.3", ADDRESS, "fe80::1"])
def test_network_is_never_served_without_a_token(address: str) -> None:
    with pytest.raises(SettingsError, match="--auth off"):
        load_settings({}, bind=address, auth="off", allow_network="on", **FILES)
    environ = {
        "AGENT_ORCHESTRATOR_AUTH": "off",
        "AGENT_ORCHESTRATOR_BIND": address,
        "AGENT_ORCHESTRATOR_ALLOW_NETWORK": "on",
        "AGENT_ORCHESTRATOR_TLS_CERTIFICATE": "/c.pem",
        "AGENT_ORCHESTRATOR_TLS_KEY": "/k.pem",
    }
    with pytest.raises(SettingsError, match="--auth off"):
        load_settings(environ)
    settings = load_settings({**environ, "AGENT_ORCHESTRATOR_AUTH": "on"})
    assert (settings.bind, settings.allow_network) == (address, True)
    assert (settings.tls_certificate, settings.tls_key) == (Path("/c.pem"), Path("/k.pem"))


@each_row("address", ["127.0.0.1", "::1", "localhost", "", "::ffff:127.0.0.1"])
def test_bind_to_loopback_needs_no_other_option(address: str) -> None:
    assert load_settings({}, bind=address).bind == ""


@each_row(
    "address",
    ["0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "example.com", "10.0.0", "10.0.0.1:1"],
)
def test_bind_to_anything_but_one_address_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="--bind is"):
        load_settings({}, bind=address, allow_network="on", **FILES)


def test_network_options_without_an_address_are_refused() -> None:
    each: list[dict[str, Any]] = [
        {"tls_key": "/k"},
        {"tls_certificate": "/c"},
        {"allow_network": "on"},
    ]
    for given in each:
        with pytest.raises(SettingsError, match="--bind ADDRESS"):
            load_settings({}, **given)


def serve_to_its_end(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_forked(["serve", "--port", "0", *arguments], scrubbed_environment(home))


def test_refused_start_prints_one_line_and_leaves_no_files(
    tmp_path: Path, certificates: Certificates
) -> None:
    refused = serve_to_its_end(tmp_path, "--bind", "10.1.2.3")
    assert (refused.returncode, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert line == (
        "agent-session-manager: --bind 10.1.2.3 serves other machines: that needs "
        "--tls-certificate FILE, --tls-key FILE and --allow-network"
    )
    assert list(tmp_path.iterdir()) == []
    # An address reserved for documentation: no machine has it.
    arguments = ["--bind", "192.0.2.1", *certificates.arguments[2:]]
    refused = serve_to_its_end(tmp_path, *arguments)
    (line,) = refused.stderr.splitlines()
    assert (refused.returncode, line) == (
        1,
        "agent-session-manager: cannot serve on 192.0.2.1: Cannot assign requested address",
    )


def open_to_others(own: Certificates) -> str:
    own.key.chmod(0o640)
    return f"{own.key} is open to others: chmod 600 {own.key}"


def of_another_user(own: Certificates) -> str:
    if os.geteuid() == 0:
        os.chown(own.key, 65534, 65534)
    else:
        own.key.unlink()
        own.key.symlink_to("/etc/passwd")
    return f"{own.key} is not yours"


def a_pipe(own: Certificates) -> str:
    own.key.unlink()
    os.mkfifo(own.key, 0o600)
    return f"{own.key} is not a file"


def missing_key(own: Certificates) -> str:
    own.key.unlink()
    return f"cannot read {own.key}: No such file"


def missing_certificate(own: Certificates) -> str:
    own.certificate.unlink()
    return f"cannot read {own.certificate}: No such file"


def key_of_another_certificate(own: Certificates) -> str:
    other = make_certificates(own.key.parent / "other")
    own.key.write_bytes(other.key.read_bytes())
    return "cannot be used together"


def no_key(own: Certificates) -> str:
    own.key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    return "cannot be used together"


@each_row(
    "spoil",
    [
        open_to_others,
        of_another_user,
        a_pipe,
        missing_key,
        missing_certificate,
        key_of_another_certificate,
        no_key,
    ],
)
def test_unusable_tls_file_error_names_file_and_fix(
    tmp_path: Path, spoil: Callable[[Certificates], str]
) -> None:
    own = make_certificates(tmp_path)
    said = spoil(own)
    with pytest.raises(TlsError) as caught:
        load_tls(own.certificate, own.key)
    assert said in str(caught.value)


def test_link_to_a_private_key_is_accepted(tmp_path: Path) -> None:
    own = make_certificates(tmp_path)
    link = tmp_path / "live.pem"
    link.symlink_to(own.key)
    assert load_tls(own.certificate, link).minimum_version == ssl.TLSVersion.TLSv1_2


def test_client_on_another_machine_works_with_token_and_ca(
    far_client: ManagerClient, new_id: Callable[[], str]
) -> None:
    session_id = new_id()
    far_client.create_session(session_id, "far")
    far_client.add_event(session_id, {"event_type": "message", "content": []})
    far_client.add_event(session_id, {"event_type": "session_stop", "exit_code": 0})
    assert far_client.get_status(session_id) == "finished"
    types = [event["event_type"] for event in far_client.iterate_events(session_id)]
    assert types == ["message", "session_stop"]


def test_feed_can_be_followed_over_tls(
    far: RunningManager, far_client: ManagerClient, new_id: Callable[[], str]
) -> None:
    session_id = new_id()
    far_client.create_session(session_id, "far")
    far_client.add_event(session_id, {"event_type": "session_stop", "exit_code": 0})
    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    headers = {"Authorization": f"Bearer {far.token}", "Accept": "text/event-stream"}
    path = f"{far_url(far)}/sessions/{session_id}/events"
    with (
        httpx.Client(verify=context, trust_env=False, timeout=WATCHDOG_SECONDS) as http,
        http.stream("GET", path, headers=headers) as answer,
    ):
        frames = [line for line in answer.iter_lines() if line.startswith("event:")]
    assert frames[0] == "event: session"
    assert frames[-1] == "event: end"


@each_row("token", ["x" * 43, ""])
def test_other_machine_without_the_token_is_refused(
    far: RunningManager, elsewhere: pytest.MonkeyPatch, token: str
) -> None:
    elsewhere.setenv("AGENT_ORCHESTRATOR_TOKEN", token)
    with SessionClient(far_url(far)) as client, pytest.raises(SessionClientError) as caught:
        client.list_sessions()
    assert caught.value.code in ("unauthorized", "too_many_failures")


def test_client_rejects_manager_of_an_unknown_ca(
    far: RunningManager, elsewhere: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere.setenv("SSL_CERT_FILE", str(make_certificates(tmp_path).authority))
    with (
        SessionClient(far_url(far)) as client,
        pytest.raises(SessionClientError, match="certificate verify failed"),
    ):
        client.list_sessions()
    elsewhere.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(SessionClientError, match="no certificates to trust"):
        SessionClient(far_url(far))


def test_client_on_the_same_machine_still_uses_plain_http(
    far: RunningManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert far.announcement.url == f"http://127.0.0.1:{far.port}"
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(far.state_dir))
    for host in ("127.0.0.1", "localhost"):
        with SessionClient(f"http://{host}:{far.port}") as client:
            client.list_sessions()
    log = far.log()
    assert f"serving other machines: https://{ADDRESS}:{far.port}" in log
    assert far.token not in log


def answer_of(address: str, port: int, sent: bytes) -> bytes:
    """Return all bytes received until the other side closes the connection."""
    received = b""
    with socket.create_connection((address, port), timeout=WATCHDOG_SECONDS) as opened:
        opened.sendall(sent)
        try:
            while part := opened.recv(4096):
                received += part
        except ConnectionError:
            pass
    return received


def test_each_address_accepts_only_its_own_protocol(
    far: RunningManager, certificates: Certificates
) -> None:
    plain = f"GET /health HTTP/1.1\r\nHost: {ADDRESS}:{far.port}\r\n\r\n".encode()
    assert b"HTTP" not in answer_of(ADDRESS, far.port, plain)
    context = ssl.create_default_context(cafile=str(certificates.authority))
    with (
        socket.create_connection(("127.0.0.1", far.port), timeout=WATCHDOG_SECONDS) as opened,
        pytest.raises(OSError),  # the error that ssl raises for a plain HTTP response
        context.wrap_socket(opened, server_hostname=ADDRESS),
    ):
        pass


@each_row(
    ("host", "origin", "status"),
    [
        ("ADDRESS:PORT", None, 200),
        ("ADDRESS:PORT", "https://ADDRESS:PORT", 200),
        ("ADDRESS:PORT", "http://ADDRESS:PORT", 403),
        ("ADDRESS:PORT", "https://ADDRESS", 403),
        ("ADDRESS:PORT", "https://evil.test", 403),
        ("manager.test:443", "https://manager.test:443", 200),
        ("manager.test", None, 403),
        ("ADDRESS", None, 403),
        ("evil.test", None, 403),
        ("127.0.0.3:PORT", None, 403),
    ],
)
def test_network_host_and_origin_must_match_the_configuration(
    far: RunningManager, certificates: Certificates, host: str, origin: str | None, status: int
) -> None:
    def fill_in(text: str) -> str:
        return text.replace("ADDRESS", ADDRESS).replace("PORT", str(far.port))

    headers = {"Host": fill_in(host), "Authorization": f"Bearer {far.token}"}
    if origin is not None:
        headers["Origin"] = fill_in(origin)
    context = ssl.create_default_context(cafile=str(certificates.authority))
    with httpx.Client(verify=context, trust_env=False, timeout=WATCHDOG_SECONDS) as http:
        assert http.get(far_url(far) + "/sessions", headers=headers).status_code == status


def test_unfinished_handshakes_do_not_block_clients(
    far: RunningManager, elsewhere: pytest.MonkeyPatch
) -> None:
    halves = [
        socket.create_connection((ADDRESS, far.port), timeout=WATCHDOG_SECONDS) for _ in range(100)
    ]
    try:
        for number, half in enumerate(halves):
            half.sendall(b"\x16\x03\x01"[: number % 4])  # the first bytes of a handshake
        with SessionClient(far_url(far)) as client:
            client.list_sessions()
    finally:
        for half in halves:
            half.close()


def test_unfinished_handshake_times_out(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tls.HANDSHAKE_SECONDS <= 30
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 0.05)
    context = load_tls(certificates.certificate, certificates.key)

    async def is_ended() -> bytes:
        listening = socket.create_server((ADDRESS, 0))
        async with await serve_tls(asyncio.Protocol, listening, context):
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            async with asyncio.timeout(WATCHDOG_SECONDS):
                try:
                    return await reader.read()
                except ConnectionError:
                    return b""
                finally:
                    writer.close()

    assert asyncio.run(is_ended()) == b""


def test_network_settings_are_off_by_default(tmp_path: Path) -> None:
    settings = load_settings({}, state_dir=str(tmp_path))
    assert (settings.bind, settings.tls_certificate, settings.tls_key) == ("", None, None)
    assert settings.allow_network is False

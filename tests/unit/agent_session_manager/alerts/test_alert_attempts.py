"""One attempt: a real command, or a real request to a receiver on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import uvloop

from agent_session_manager.alerts.outcome import MAX_ANSWER_BYTES, Outcome
from agent_session_manager.alerts.sender import COMMAND_SECONDS, WEBHOOK_SECONDS, Sender
from agent_session_manager.alerts.signature import new_secret, sign
from agent_session_manager.alerts.target import Webhook
from agent_session_manager.alerts.webhook import post, tls_context
from agent_session_manager.domain.sessions.alert import AlertKind
from agent_session_manager.machine.clock import Time
from tests.commands.processes import is_alive
from tests.support.loops import run
from tests.support.receiver import Reply, receiving
from tests.support.rows import each_row
from tests.support.tls import make_certificates
from tests.support.waiting import wait_for
from tests.unit.agent_session_manager.alerts.samples import MANAGER, NOW, alert, target

ENVIRON = {
    "PATH": os.environ["PATH"],
    "HOME": "/home/me",
    "DISPLAY": ":0",
    "AGENT_ORCHESTRATOR_TOKEN": "secret",
    "ANTHROPIC_API_KEY": "secret",
    "LD_PRELOAD": "",
}


class Limit:
    """The time of an attempt; `is_up` ends its limit."""

    def __init__(self) -> None:
        self.is_up = asyncio.Event()
        self.asked: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        await self.is_up.wait()

    @property
    def time(self) -> Time:
        return Time(clock=lambda: NOW, sleep=self.sleep)


def send(told: Any = None, **fields: Any) -> Outcome:
    """Send an alert to a target, without a limit."""

    async def attempt() -> Outcome:
        sender = Sender(MANAGER, ENVIRON, time=Limit().time)
        return await sender.send(target(**fields), told or alert())

    return run(attempt())


def sh(script: str, told: Any = None) -> Outcome:
    return send(told, command=("sh", "-c", script))


def test_command_gets_the_alert_and_no_secrets(tmp_path: Path) -> None:
    script = "import json, os, sys; print(json.dumps([dict(os.environ), json.load(sys.stdin)]))"
    into = tmp_path / "said"
    command = ("sh", "-c", f'"$@" > {into}', "sh", sys.executable, "-I", "-c", script)
    told = alert(AlertKind.LOST, session_name="a\n\x07b\x9b\u2028\u202e\0", project_dir=None)
    assert send(told, command=command) == Outcome(answer="exit code 0")
    environment, message = json.loads(into.read_text())
    ours = {name: value for name, value in environment.items() if name.startswith("AO_")}
    assert ours == {
        "AO_ALERT_ID": "alert_1",
        "AO_STATE": "lost",
        "AO_SESSION_ID": "s:1",
        "AO_SESSION_NAME": "a b ",
        "AO_PROJECT_DIR": "",
        "AO_TEXT": "a b  was lost: its supervisor no longer answers",
        "AO_URL": f"{MANAGER}/#/sessions/s%3A1",
    }
    assert environment["HOME"] == "/home/me"
    assert not {"AGENT_ORCHESTRATOR_TOKEN", "ANTHROPIC_API_KEY", "LD_PRELOAD"} & environment.keys()
    assert (message["type"], message["data"]["session_name"]) == (
        "session.lost",
        told.facts["session_name"],
    )


def test_command_is_not_interpreted_by_a_shell() -> None:
    assert send(command=("echo", "$HOME", ";", "false")).answer == "exit code 0: $HOME ; false"


@each_row(
    "script, answer",
    [
        ("echo no; exit 3", "exit code 3: no"),
        ("printf 'a\\033[31m\\nb' >&2; exit 1", "exit code 1: a\\u001b[31m b"),
        ("kill -9 $$", "ended by signal 9"),
        ("exec /proc/nonexistent/x", "exit code 127: "),
    ],
)
def test_failure_of_a_command_is_explained(script: str, answer: str) -> None:
    outcome = sh(script)
    assert outcome.error == outcome.answer
    assert outcome.answer.startswith(answer)


def test_command_may_end_without_reading_its_stdin() -> None:
    """Under the event loop of the manager, a write to the pipe of an ended process fails."""

    async def attempts() -> set[str]:
        sender = Sender(MANAGER, ENVIRON, time=Limit().time)
        long = alert(filling="x" * 200_000)
        return {(await sender.send(target(command=("true",)), long)).answer for _ in range(5)}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(attempts()) == {"exit code 0"}


def test_missing_program_is_a_failure() -> None:
    outcome = send(command=("/proc/nonexistent/program", "x"))
    assert outcome.error is not None
    assert outcome.error.startswith("'/proc/nonexistent/program' cannot be started: ")


def test_output_of_a_command_is_bounded() -> None:
    outcome = sh("exec 0<&-; yes | head -c 3000000; exit 1")
    assert outcome.error is not None
    assert len(outcome.error) < MAX_ANSWER_BYTES


def test_output_of_an_ended_command_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop may find no time to read the output of a command while it runs."""
    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_reader", lambda *_: None)
    assert sh("echo no; exit 3").error == "exit code 3: no"


def test_command_may_leave_a_child_behind(tmp_path: Path) -> None:
    """Its child holds the output open, as the program of a desktop notification does."""
    pid = tmp_path / "pid"
    assert sh(f"sleep 1000 & echo $! > {pid}").error is None
    os.kill(int(pid.read_text()), 9)


def test_hung_command_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    async def attempt() -> tuple[Outcome, list[float]]:
        limit = Limit()
        sender = Sender(MANAGER, ENVIRON, time=limit.time)
        script = f"trap '' TERM; sleep 1000 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait"
        sending = asyncio.ensure_future(sender.send(target(command=("sh", "-c", script)), alert()))
        await asyncio.to_thread(wait_for, pids.exists, "the command runs")
        limit.is_up.set()
        return await sending, limit.asked

    outcome, asked = run(attempt())
    assert (outcome.error, asked) == ("no answer within 30 s", [COMMAND_SECONDS])
    processes = [int(pid) for pid in pids.read_text().split()]
    wait_for(lambda: not any(map(is_alive, processes)), "its processes are gone")


def test_request_is_signed_over_what_is_sent() -> None:
    secret = new_secret()
    with receiving(Reply(201, body=b"thanks")) as receiver:
        outcome = send(webhook=Webhook(url=receiver.url, secret=secret))
    (received,) = receiver.received
    assert outcome == Outcome(answer="HTTP 201 thanks")
    signed = sign(secret, message_id="alert_1", timestamp=int(NOW.timestamp()), body=received.body)
    assert signed.items() <= received.headers.items()
    assert received.headers["content-type"] == "application/json"
    assert (received.path, received.message["type"]) == ("/hook", "session.ended")
    assert "authorization" not in received.headers


@each_row(
    "reply, expected",
    [
        (Reply(500, body=b"no\x1b[0m"), {"error": "HTTP 500 no\\u001b[0m"}),
        (Reply(410, body=b"bye"), {"error": "HTTP 410 bye", "is_gone": True}),
        (Reply(429, {"Retry-After": "77"}), {"error": "HTTP 429", "asked_seconds": 77.0}),
        (
            Reply(503, {"Retry-After": format_datetime(NOW + timedelta(seconds=90))}),
            {"error": "HTTP 503", "asked_seconds": 90.0},
        ),
        (Reply(503, {"Retry-After": "soon"}), {"error": "HTTP 503"}),
        (Reply(503, {"Retry-After": "-1"}), {"error": "HTTP 503"}),
        (
            Reply(503, {"Retry-After": "Mon, 01 Jan 2024 00:00:00 +99999999999999"}),
            {"error": "HTTP 503"},
        ),
        (
            Reply(302, {"Location": "/elsewhere"}),
            {"error": "HTTP 302: redirects are not followed; use the final URL"},
        ),
        (Reply(204), {"answer": "HTTP 204"}),
    ],
)
def test_answer_decides_the_outcome(reply: Reply, expected: dict[str, Any]) -> None:
    with receiving(reply) as receiver:
        outcome = send(webhook=Webhook(url=receiver.url))
    assert outcome == Outcome(**{"answer": expected.get("error"), **expected})
    (received,) = receiver.received  # also after a redirect
    assert received.path == "/hook"
    assert "webhook-signature" not in received.headers


@each_row(
    "path, said, shown",
    [
        ("/services/T0/SECRETTOKEN", "Cannot POST /services/T0/SECRETTOKEN", "Cannot POST …"),
        ("/services/T0/SECRETTOKEN", "no token secrettoken of T0", "no token … of T0"),
        ("/T0/SECRETTOKEN", "x" * 1012 + "SECRETTO", None),
        ("/T0/SECRETTOKEN", "/T0/SECRETTOKEN " * 64, None),
        ("/h?key=SECRET%26TOKEN&b=1", "key=SECRET&amp;TOKEN, SECRET%26TOKEN", "key=…, …"),
        ("/SECRET|TOKEN", "POST /SECRET%7CTOKEN", "POST …"),
        ("/T0/SECRETTOKEN", "é" + "x" * 180 + " /T0/SECRETTOKEN", None),
        ("/", "a / b", "a / b"),
    ],
)
def test_answer_does_not_repeat_the_secret_of_the_url(
    path: str, said: str, shown: str | None
) -> None:
    with receiving(Reply(404, body=said.encode())) as receiver:
        url = receiver.url.removesuffix("/hook") + path
        outcome = send(webhook=Webhook(url=url))
    assert outcome.error is not None
    assert "secret" not in outcome.error.lower()
    if shown is not None:
        assert outcome.error == f"HTTP 404 {shown}"


def test_answer_has_no_credentials() -> None:
    token = "ghp_" + "aB3dE6gH9j" * 4
    with receiving(Reply(500, body=f"bad {token[:40]}".encode())) as receiver:
        told = [send(webhook=Webhook(url=receiver.url)), sh(f"echo bad {token[:40]}; exit 1")]
    assert all("bad [masked: " in str(outcome.error) for outcome in told), told


def test_only_the_beginning_of_an_answer_is_read() -> None:
    with receiving(Reply(500, body=b"x" * 100_000, is_endless=True)) as receiver:
        outcome = send(webhook=Webhook(url=receiver.url))
    assert outcome.error is not None
    assert len(outcome.error) < MAX_ANSWER_BYTES


def test_local_webhook_ignores_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with receiving() as receiver:
        assert send(webhook=Webhook(url=receiver.url)).error is None


@each_row(
    "name, value, said",
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1", "socksio"),
        ("ALL_PROXY", "gopher://me:password@127.0.0.1:1", "gopher"),
        ("ALL_PROXY", "http://127.0.0.1:x", "proxy settings"),
        ("SSL_CERT_FILE", "/proc/nonexistent", "No such file"),
    ],
)
def test_wrong_environment_is_explained(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    outcome = send(webhook=Webhook(url="https://192.0.2.1/x"))
    assert outcome.error is not None
    assert name in outcome.error
    assert said in outcome.error
    assert "password" not in outcome.error


def test_refused_connection_is_a_failure() -> None:
    with receiving() as receiver:
        url = receiver.url
    outcome = send(webhook=Webhook(url=url))
    assert outcome.error is not None
    assert outcome.error.startswith("ConnectError")


def test_hung_request_is_ended_after_its_limit() -> None:
    async def attempt(url: str) -> tuple[Outcome, list[float]]:
        limit = Limit()
        sender = Sender(MANAGER, ENVIRON, time=limit.time)
        sending = asyncio.ensure_future(sender.send(target(webhook=Webhook(url=url)), alert()))
        await asyncio.to_thread(receiver.wait_for, 1)
        limit.is_up.set()
        return await sending, limit.asked

    with receiving(Reply(hangs=True)) as receiver:
        outcome, asked = run(attempt(receiver.url))
    assert (outcome.error, asked) == ("no answer within 10 s", [WEBHOOK_SECONDS])


def test_certificate_that_is_not_trusted_is_explained(tmp_path: Path) -> None:
    made = make_certificates(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)

    async def attempt() -> Outcome:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
        async with server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            webhook = Webhook(url=url, secret=None)
            return await post(webhook, "alert_1", b"{}", now=NOW, tls=tls_context())

    outcome = run(attempt())
    assert "its certificate is not trusted" in str(outcome.error)
    assert "SSL_CERT_FILE" in str(outcome.error)

"""The limit of failed logins: it counts over all connections and addresses."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

from agent_session_manager.api.wire.limits import MAX_FAILURES
from tests.api.guard.raw_request import NO_TOKEN, TOO_MANY, request
from tests.support.api import RawConnection
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS


def test_failed_logins_are_rate_limited_and_valid_ones_never(
    start_manager: Callable[..., RunningManager],
) -> None:
    own = start_manager()
    wrong = [("Host", "127.0.0.1:PORT"), ("Authorization", "Bearer wrong")]
    right = [("Host", "127.0.0.1:PORT"), ("Authorization", "Bearer TOKEN")]
    json = [*right, ("Content-Type", "application/json")]
    guesses = [
        request(own, "GET /sessions HTTP/1.1", wrong),
        request(own, "GET /sessions/none HTTP/1.1", wrong[:1]),
        request(own, "POST /dashboard/token HTTP/1.1", json, '{"code": "wrong"}'),
    ]
    connections = list(each_way(own.port))
    try:
        refused = [
            connection.ask(guess).refusal
            for _ in range(MAX_FAILURES)
            for connection in connections
            for guess in guesses
        ]
        assert {*refused[:MAX_FAILURES]} == {NO_TOKEN, (401, "code_not_valid")}
        assert {*refused[MAX_FAILURES:]} == {TOO_MANY}
        for connection in connections:
            assert connection.ask(request(own, "GET /sessions HTTP/1.1", right)).status == 200
            made = connection.ask(request(own, "POST /dashboard/codes HTTP/1.1", json, "{}"))
            code = made.json["code"]
            exchange = request(
                own, "POST /dashboard/token HTTP/1.1", json[::2], f'{{"code": "{code}"}}'
            )
            assert connection.ask(exchange).json["token"].startswith("page-")
            for guess in guesses:
                answer = connection.ask(guess)
                assert answer.refusal == TOO_MANY
                assert answer.headers["retry-after"] == "60"
                assert "www-authenticate" not in answer.headers
    finally:
        for connection in connections:
            connection.socket.close()


def each_way(port: int) -> Iterator[RawConnection]:
    """Yield a connection over each available loopback address; ::ffff:127.0.0.1 is IPv4."""
    ways = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
    for family, address in (*ways, (socket.AF_INET6, "::ffff:127.0.0.1")):
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.settimeout(WATCHDOG_SECONDS)
        try:
            opened.connect((address, port))
        except OSError:  # IPv6 is not available
            opened.close()
        else:
            yield RawConnection(opened)

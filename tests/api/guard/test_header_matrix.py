"""Every combination of the headers that say who asks, over HTTP and for a WebSocket.

What each value leads to is written down here, and not taken from the guard. A manager without the
guard must fail the same test.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from tests.support.api import Answer, RawConnection, raw_connection
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.unguarded import PROGRAM
from tests.support.waiting import WATCHDOG_SECONDS

LET_IN = "let in"
HOST, ORIGIN, TYPE, TOKEN = "403 host", "403 origin", "415", "401"

# In the order in which they are looked at. A value of None leaves the header out.
TABLE: dict[str, dict[str | None, str]] = {
    "Host": {
        "127.0.0.1:PORT": LET_IN,
        "localhost:PORT": LET_IN,
        "evil.test:PORT": HOST,
        "127.0.0.1:1": HOST,
    },
    "Origin": {
        None: LET_IN,
        "http://127.0.0.1:PORT": LET_IN,
        "http://127.0.0.1:1": ORIGIN,
        "null": ORIGIN,
    },
    "Sec-Fetch-Site": {
        None: LET_IN,
        "same-origin": LET_IN,
        "same-site": ORIGIN,
        "cross-site": ORIGIN,
    },
    "Sec-Fetch-Mode": {None: LET_IN, "navigate": LET_IN},
    "Content-Type": {"application/json": LET_IN, "text/plain": TYPE, None: TYPE},
    "Authorization": {"Bearer TOKEN": LET_IN, "Bearer wrong": TOKEN},
}
KINDS = {"read": "GET /sessions/none", "write": "POST /sessions/none/events", "page": "GET /",
         "socket": "GET /ws"}  # fmt: skip
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)

Case = tuple[str, dict[str, str | None]]


def cases() -> Iterator[Case]:
    for kind in KINDS:
        looked_at = [name for name in TABLE if kind == "write" or name != "Content-Type"]
        for values in product(*(TABLE[name] for name in looked_at)):
            yield kind, dict(zip(looked_at, values, strict=True))


def expected(kind: str, headers: dict[str, str | None]) -> str:
    verdicts = {name: TABLE[name][value] for name, value in headers.items()}
    if kind == "page":
        verdicts["Authorization"] = LET_IN  # whoever opens the page has no token yet
        if headers["Sec-Fetch-Mode"] == "navigate":
            verdicts["Sec-Fetch-Site"] = LET_IN  # a link on another page may lead there
    return next((verdict for verdict in verdicts.values() if verdict != LET_IN), LET_IN)


def request(manager: RunningManager, kind: str, headers: dict[str, str | None]) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if value is not None]
    body = '{"event_type":"x"}' if kind == "write" else ""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    text = "".join([KINDS[kind], " HTTP/1.1\r\n", *lines, length])
    text = text.replace("TOKEN", manager.token).replace("PORT", str(manager.port))
    return (text + (UPGRADE if kind == "socket" else "") + "\r\n" + body).encode()


def verdict_of(kind: str, answer: Answer) -> str:
    """In the words of the table; how many wrong tokens came before does not matter."""
    if kind == "socket":
        return {101: LET_IN, 403: "403"}.get(answer.status, str(answer.status))
    if kind == "page":
        return _refusal(answer) or LET_IN
    return LET_IN if answer.status == 404 else _refusal(answer) or str(answer.status)


def _refusal(answer: Answer) -> str | None:
    if answer.status == 403:
        return {"host_not_allowed": HOST, "origin_not_allowed": ORIGIN}[answer.json["code"]]
    return {401: TOKEN, 429: TOKEN, 415: TYPE}.get(answer.status)


def wrong_answers(manager: RunningManager) -> Counter[str]:
    """How many answers are not as tabled, of each kind."""
    wrong: Counter[str] = Counter()
    with raw_connection(manager.port) as kept:
        for kind, headers in cases():
            verdict = expected(kind, headers)
            if kind == "socket":
                verdict = LET_IN if verdict == LET_IN else "403"  # a handshake has no other way
                with raw_connection(manager.port) as own:
                    answered = _ask(own, manager, kind, headers)
            else:
                answered = _ask(kept, manager, kind, headers)
            wrong[kind] += verdict_of(kind, answered) != verdict
    return wrong


def _ask(
    connection: RawConnection, manager: RunningManager, kind: str, headers: dict[str, str | None]
) -> Answer:
    # Of an upgrade there is a head and no body: it is read as one of HEAD.
    method = "HEAD" if kind == "socket" else "GET"
    return connection.ask(request(manager, kind, headers), method=method)


def test_every_combination_of_headers_is_answered_as_tabled(manager: RunningManager) -> None:
    assert sum(1 for _ in cases()) >= 300
    assert {expected(kind, headers) for kind, headers in cases()} == {
        LET_IN, HOST, ORIGIN, TYPE, TOKEN,
    }  # fmt: skip
    assert wrong_answers(manager) == dict.fromkeys(KINDS, 0)


def test_manager_without_its_guard_fails_the_same_table(tmp_path: Path) -> None:
    unguarded = RunningManager(tmp_path, program=PROGRAM)
    try:
        wrong = wrong_answers(unguarded)
    finally:
        unguarded.stop()
    assert min(wrong[kind] for kind in KINDS) > 100, wrong


@each_row("address", ["::1", "::ffff:127.0.0.1"])
def test_each_way_to_loopback_has_the_same_guard(manager: RunningManager, address: str) -> None:
    try:
        opened = socket.create_connection((address, manager.port), timeout=WATCHDOG_SECONDS)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with opened:
        connection = RawConnection(opened)
        for kind, headers in (case for case in cases() if case[0] == "read"):
            answered = _ask(connection, manager, kind, headers)
            assert verdict_of(kind, answered) == expected(kind, headers), headers

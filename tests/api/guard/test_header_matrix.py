"""Every combination of the headers that authenticate a request, over HTTP and for a WebSocket.

The table below states the expected result of each value; it is not derived from the guard. A
manager without the guard must fail the same test.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path

import pytest

from tests.support.api import Answer, RawConnection, raw_connection
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.unguarded import leave_out_the_guard
from tests.support.waiting import WATCHDOG_SECONDS

ACCEPTED = "accepted"
HOST, ORIGIN, TYPE, TOKEN = "403 host", "403 origin", "415", "401"

# The guard checks the headers in this order. A value of None omits the header.
TABLE: dict[str, dict[str | None, str]] = {
    "Host": {
        "127.0.0.1:PORT": ACCEPTED,
        "localhost:PORT": ACCEPTED,
        "evil.test:PORT": HOST,
        "127.0.0.1:1": HOST,
    },
    "Origin": {
        None: ACCEPTED,
        "http://127.0.0.1:PORT": ACCEPTED,
        "http://127.0.0.1:1": ORIGIN,
        "null": ORIGIN,
    },
    "Sec-Fetch-Site": {
        None: ACCEPTED,
        "same-origin": ACCEPTED,
        "same-site": ORIGIN,
        "cross-site": ORIGIN,
    },
    "Sec-Fetch-Mode": {None: ACCEPTED, "navigate": ACCEPTED},
    "Content-Type": {"application/json": ACCEPTED, "text/plain": TYPE, None: TYPE},
    "Authorization": {"Bearer TOKEN": ACCEPTED, "Bearer wrong": TOKEN},
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
        verdicts["Authorization"] = ACCEPTED  # a browser that opens the page has no token yet
        if headers["Sec-Fetch-Mode"] == "navigate":
            verdicts["Sec-Fetch-Site"] = ACCEPTED  # another page may link to it
    return next((verdict for verdict in verdicts.values() if verdict != ACCEPTED), ACCEPTED)


def request(manager: RunningManager, kind: str, headers: dict[str, str | None]) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in headers.items() if value is not None]
    body = '{"event_type":"x"}' if kind == "write" else ""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    text = "".join([KINDS[kind], " HTTP/1.1\r\n", *lines, length])
    text = text.replace("TOKEN", manager.token).replace("PORT", str(manager.port))
    return (text + (UPGRADE if kind == "socket" else "") + "\r\n" + body).encode()


def verdict_of(kind: str, answer: Answer) -> str:
    """Return the verdict of an answer; a rate-limited wrong token counts as a wrong token."""
    if kind == "socket":
        return {101: ACCEPTED, 403: "403"}.get(answer.status, str(answer.status))
    if kind == "page":
        return _refusal(answer) or ACCEPTED
    return ACCEPTED if answer.status == 404 else _refusal(answer) or str(answer.status)


def _refusal(answer: Answer) -> str | None:
    if answer.status == 403:
        return {"host_not_allowed": HOST, "origin_not_allowed": ORIGIN}[answer.json["code"]]
    return {401: TOKEN, 429: TOKEN, 415: TYPE}.get(answer.status)


def wrong_answers(manager: RunningManager, *, every: int = 1) -> Counter[str]:
    """Count the answers of each kind that differ from the table; ask `every` nth case."""
    wrong: Counter[str] = Counter()
    with raw_connection(manager.port) as kept:
        for kind, headers in islice(cases(), None, None, every):
            verdict = expected(kind, headers)
            if kind == "socket":
                # 403 is the only error status of a handshake.
                verdict = ACCEPTED if verdict == ACCEPTED else "403"
                with raw_connection(manager.port) as own:
                    answered = _ask(own, manager, kind, headers)
            else:
                answered = _ask(kept, manager, kind, headers)
            wrong[kind] += verdict_of(kind, answered) != verdict
    return wrong


def _ask(
    connection: RawConnection, manager: RunningManager, kind: str, headers: dict[str, str | None]
) -> Answer:
    # The response to an upgrade has no body, like one to HEAD.
    method = "HEAD" if kind == "socket" else "GET"
    return connection.ask(request(manager, kind, headers), method=method)


def test_every_combination_of_headers_matches_the_table(manager: RunningManager) -> None:
    assert sum(1 for _ in cases()) >= 300
    assert {expected(kind, headers) for kind, headers in cases()} == {
        ACCEPTED, HOST, ORIGIN, TYPE, TOKEN,
    }  # fmt: skip
    assert wrong_answers(manager) == dict.fromkeys(KINDS, 0)


def test_manager_without_its_guard_fails_the_same_table(tmp_path: Path) -> None:
    unguarded = RunningManager(tmp_path, prepare=leave_out_the_guard)
    try:
        wrong = wrong_answers(unguarded, every=7)
    finally:
        unguarded.stop()
    assert min(wrong[kind] for kind in KINDS) > 14, wrong


@each_row("address", ["::1", "::ffff:127.0.0.1"])
def test_every_loopback_address_has_the_same_guard(manager: RunningManager, address: str) -> None:
    try:
        opened = socket.create_connection((address, manager.port), timeout=WATCHDOG_SECONDS)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with opened:
        connection = RawConnection(opened)
        for kind, headers in (case for case in cases() if case[0] == "read"):
            answered = _ask(connection, manager, kind, headers)
            assert verdict_of(kind, answered) == expected(kind, headers), headers

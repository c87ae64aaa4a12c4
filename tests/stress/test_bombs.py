"""Requests that are small to send and large to take are refused, and nothing is left of them."""

from __future__ import annotations

import gzip
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support import unlimited
from tests.support.api import Api
from tests.support.campaign import Campaign, spread
from tests.support.hostile_requests import Aim
from tests.support.manager import RunningManager
from tests.support.memory import resident_megabytes
from tests.support.waiting import WATCHDOG_SECONDS

pytestmark = pytest.mark.stress

MAX_SECONDS = 20.0
MAX_GROWTH_MEGABYTES = 20
MEBIBYTE = b"x" * 2**20
LISTS_OF_NOTHING = b"[" + b"[]," * 10**6 + b"[]]"


def value_of(inside: bytes) -> bytes:
    return b'{"event_type":"x","value":' + inside + b"}"


def bodies() -> Iterator[tuple[str, bytes]]:
    for depth in (65, 1000, 10_000, 100_000):
        yield f"{depth} lists", value_of(b"[" * depth + b"]" * depth)
        yield f"{depth} objects", value_of(b'{"a":' * depth + b"1" + b"}" * depth)
        yield f"{depth} open lists", b"[" * depth
    for number in (b"NaN", b"-Infinity", b"1e400", b"9" * 30, b"-" + b"9" * 5000, b"9" * 4_000_000):
        yield f"number {number[:12]!r}", value_of(number)
    many = b",".join(b'"k%d":1' % number for number in range(10**6))
    yield "a million keys", b"{" + many + b"}"
    yield "keys that are the same", b"{" + b'"a":1,' * 600_000 + b'"a":1}'
    yield "gzip", gzip.compress(b'{"event_type":"x"}' + b" " * 10**7)
    yield "deflate", zlib.compress(b'{"event_type":"x"}' + b" " * 10**7)
    yield "lists of nothing", value_of(LISTS_OF_NOTHING)


TARGETS = [
    (b"POST", b"/sessions"),
    (b"POST", b"/sessions/own/events"),
    (b"PATCH", b"/sessions/own"),
    (b"POST", b"/transcripts/entries?project_key=p&session_id=s"),
]
WARM_UP_ROUNDS = 2
"""What Python and the system keep for the next large body, they keep once."""


def requests(aim: Aim) -> Iterator[tuple[str, bytes]]:
    """Each with its name; every one is to be refused with a 4xx."""
    for name, body in bodies():
        for method, target in TARGETS:
            sent = aim.post(target, body, method=method)
            yield f"{name} to {method.decode()} {target.decode()}", sent
    post = b"POST /sessions/own/events HTTP/1.1"
    kind = b"Content-Type: application/json"
    for coding in (b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip"):
        field = b"Content-Encoding: " + coding
        yield f"coding {coding!r}", aim.post(b"/sessions/own/events", gzip.compress(b"{}"), field)
    yield "5 GB declared", aim.head(post, kind, b"Content-Length: 5000000000") + MEBIBYTE * 33
    yield "2^64 declared", aim.head(post, kind, b"Content-Length: 18446744073709551616") + b"{}"
    chunks = b"100000\r\n" + MEBIBYTE + b"\r\n"
    yield "endless chunks", aim.head(post, kind, b"Transfer-Encoding: chunked") + chunks * 33
    yield "a giant field", aim.head(b"GET /health HTTP/1.1", b"X: " + MEBIBYTE * 8)
    yield "a giant name", aim.head(b"GET /health HTTP/1.1", MEBIBYTE * 8 + b": x")
    yield "a giant target", aim.head(b"GET /" + MEBIBYTE * 8 + b" HTTP/1.1")
    fields = [b"X%d: y" % number for number in range(100_000)]
    yield "100,000 fields", aim.head(b"GET /health HTTP/1.1", *fields)
    yield "2,000 fields", aim.head(b"GET /health HTTP/1.1", *[b"X: " + b"y" * 20] * 2000)
    yield (
        "giant trailers",
        aim.head(post, kind, b"Transfer-Encoding: chunked")
        + (b"2\r\n{}\r\n0\r\nX: " + MEBIBYTE * 8),
    )
    yield (
        "a giant extension",
        aim.head(post, kind, b"Transfer-Encoding: chunked") + (b"2;" + MEBIBYTE * 8),
    )
    parameters = b"&".join(b"p%d=1" % number for number in range(3000))
    yield "3,000 parameters", aim.head(b"GET /sessions?" + parameters + b" HTTP/1.1")


def status_of(aim: Aim, sent: bytes) -> int:
    """What is answered, also to who is still sending; 0 where the connection was ended."""
    with socket.create_connection(("127.0.0.1", aim.port), timeout=WATCHDOG_SECONDS) as opened:
        with suppress(OSError):  # it was refused before all of it was sent
            opened.sendall(sent)
        try:
            answer = opened.recv(4096)
        except ConnectionError:
            return 0
    return int(answer.split()[1]) if answer else 0


def test_what_is_too_much_is_refused_at_once_and_leaves_no_memory_behind(
    campaign: Campaign,
) -> None:
    manager = RunningManager(campaign.directory / "manager")
    grown = []
    took: dict[str, float] = {}
    try:
        aim = Aim(port=manager.port, token=manager.token, session_id="own", victim_id="victim")
        with Api(manager) as api:
            api.post("/sessions", {"session_id": "own", "session_name": "own"})
        start = resident_megabytes(manager.pid)
        for _ in range(WARM_UP_ROUNDS + campaign.count(short=1, long=20)):
            for name, sent in requests(aim):
                began = time.monotonic()
                status = status_of(aim, sent)
                took[name] = max(took.get(name, 0.0), time.monotonic() - began)
                assert 400 <= status < 500 or status == 0, (name, status)
            grown.append(resident_megabytes(manager.pid))
        with Api(manager) as api:
            assert api.get("/sessions/own").json["session"]["last_seq"] == 0
        assert ("trace=" in manager.log(), "defect" in manager.log()) == (False, False)
    finally:
        manager.stop()
    slowest = max(took, key=lambda name: took[name])
    slow = sum(seconds > 0.1 for seconds in took.values())
    campaign.tell(f"{len(took)} kinds of bombs, each refused: {spread(list(took.values()))}")
    campaign.tell(f"the slowest was {slowest!r}; {slow} took longer than 100 ms")
    campaign.tell(
        f"memory: {grown[1] - start:+.1f} MB in two rounds, "
        f"{grown[-1] - grown[1]:+.1f} MB in {len(grown) - 2} more"
    )
    campaign.limit("seconds until the slowest was refused", max(took.values()), MAX_SECONDS)
    assert grown[-1] - grown[WARM_UP_ROUNDS - 1] <= MAX_GROWTH_MEGABYTES


def test_manager_without_its_limits_takes_some_of_it_and_fails_at_others(
    campaign: Campaign,
) -> None:
    manager = RunningManager(campaign.directory / "manager", program=unlimited.PROGRAM)
    try:
        aim = Aim(port=manager.port, token=manager.token, session_id="own", victim_id="victim")
        with Api(manager) as api:
            api.post("/sessions", {"session_id": "own", "session_name": "own"})
        start = resident_megabytes(manager.pid)
        path = b"/sessions/own/events"
        taken = status_of(aim, aim.post(path, value_of(LISTS_OF_NOTHING)))
        grown = resident_megabytes(manager.pid) - start
        depth = 1000
        failed = status_of(aim, aim.post(path, value_of(b"[" * depth + b"]" * depth)))
    finally:
        manager.stop()
    campaign.tell(
        f"without its limits: a body of 3 MB taken, for {grown:+.0f} MB; one of 2 kB: {failed}"
    )
    assert taken == 201
    assert grown > MAX_GROWTH_MEGABYTES
    assert failed >= 500

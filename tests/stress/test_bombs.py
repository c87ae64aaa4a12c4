"""Requests that cost the server much more than the client: they are rejected without a leak."""

from __future__ import annotations

import gzip
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.api import Api
from tests.support.campaign import Campaign, spread
from tests.support.hostile_requests import Aim
from tests.support.manager import RunningManager
from tests.support.memory import resident_megabytes
from tests.support.unlimited import remove_limits
from tests.support.waiting import WATCHDOG_SECONDS

pytestmark = pytest.mark.stress

MAX_SECONDS = 20.0
MAX_GROWTH_MEGABYTES = 20
MEBIBYTE = b"x" * 2**20
EMPTY_LISTS = b"[" + b"[]," * 10**6 + b"[]]"


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
    yield "equal keys", b"{" + b'"a":1,' * 600_000 + b'"a":1}'
    yield "gzip", gzip.compress(b'{"event_type":"x"}' + b" " * 10**7)
    yield "deflate", zlib.compress(b'{"event_type":"x"}' + b" " * 10**7)
    yield "empty lists", value_of(EMPTY_LISTS)


TARGETS = [
    (b"POST", b"/sessions"),
    (b"POST", b"/sessions/own/events"),
    (b"PATCH", b"/sessions/own"),
    (b"POST", b"/transcripts/entries?project_key=p&session_id=s"),
]
WARM_UP_ROUNDS = 2
"""Python and the system keep memory for later large bodies; this happens in the first rounds."""


def requests(aim: Aim, campaign: Campaign) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each request; the server must reject each with 4xx.

    The long form sends each body to all targets, the short form to a random one.
    """
    chance = campaign.chance()
    for name, body in bodies():
        for method, target in TARGETS if campaign.is_long else [chance.choice(TARGETS)]:
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
    """Send a request; return the status, or 0 if the server closed the connection."""
    with socket.create_connection(("127.0.0.1", aim.port), timeout=WATCHDOG_SECONDS) as opened:
        with suppress(OSError):  # rejected before all was sent
            opened.sendall(sent)
        try:
            answer = opened.recv(4096)
        except ConnectionError:
            return 0
    return int(answer.split()[1]) if answer else 0


def test_oversized_requests_are_rejected_without_memory_growth(
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
        bombs = list(requests(aim, campaign))
        for _ in range(WARM_UP_ROUNDS + campaign.count(short=1, long=20)):
            for name, sent in bombs:
                began = time.monotonic()
                status = status_of(aim, sent)
                took[name] = max(took.get(name, 0.0), time.monotonic() - began)
                assert 400 <= status < 500 or status == 0, (name, status)
            grown.append(resident_megabytes(manager.pid))
        with Api(manager) as api:
            assert api.get("/sessions/own").json["session"]["last_seq"] == 0
        assert ('"trace": ' in manager.log(), "defect" in manager.log()) == (False, False)
    finally:
        manager.stop()
    slowest = max(took, key=lambda name: took[name])
    slow = sum(seconds > 0.1 for seconds in took.values())
    campaign.tell(f"{len(took)} kinds of bombs, each rejected: {spread(list(took.values()))}")
    campaign.tell(f"the slowest was {slowest!r}; {slow} took longer than 100 ms")
    campaign.tell(
        f"memory: {grown[1] - start:+.1f} MB in two rounds, "
        f"{grown[-1] - grown[1]:+.1f} MB in {len(grown) - 2} more"
    )
    campaign.limit("seconds until the slowest was rejected", max(took.values()), MAX_SECONDS)
    assert grown[-1] - grown[WARM_UP_ROUNDS - 1] <= MAX_GROWTH_MEGABYTES


def test_manager_without_limits_accepts_or_fails_at_bombs(campaign: Campaign) -> None:
    manager = RunningManager(campaign.directory / "manager", prepare=remove_limits)
    try:
        aim = Aim(port=manager.port, token=manager.token, session_id="own", victim_id="victim")
        with Api(manager) as api:
            api.post("/sessions", {"session_id": "own", "session_name": "own"})
        start = resident_megabytes(manager.pid)
        path = b"/sessions/own/events"
        taken = status_of(aim, aim.post(path, value_of(EMPTY_LISTS)))
        grown = resident_megabytes(manager.pid) - start
        depth = 1000
        failed = status_of(aim, aim.post(path, value_of(b"[" * depth + b"]" * depth)))
    finally:
        manager.stop()
    campaign.tell(
        f"without limits: a body of 3 MB is accepted and takes {grown:+.0f} MB; "
        f"a body of 2 kB gets {failed}"
    )
    assert taken == 201
    assert grown > MAX_GROWTH_MEGABYTES
    assert failed >= 500

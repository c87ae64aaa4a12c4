"""Requests with bytes changed at random, from a seed: whatever they are, the manager goes on."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.support.api import Api
from tests.support.manager import RunningManager

SEED = 20261122
REQUESTS = 2000
THREADS = 8
ANSWER_SECONDS = 0.1
"""Most that get no answer wait for the rest of themselves; a late 5xx would be in the log."""

JSON_BODIES = [
    b'{"event_type":"message","role":"assistant","content":[{"type":"text","text":"\xc3\xa9\\u00e9"}]}',
    b'[{"event_type":"x","event_id":"1"},{"event_type":"session_stop","exit_code":1,"run":1}]',
    b'{"session_id":"fuzz","session_name":"n","project_dir":"/p","spec":{"a":[1,-2.5e3,null]}}',
    b'{"last_resumed_at":"2024-01-01T00:00:00Z","archived":true,"session_name":"x"}',
    b'{"takeover":true,"host":"h","lease":{"holder":"me"}}',
    b'{"holder":"me"}',
    b'{"request_id":"r","kind":"stop","payload":{"text":"x"}}',
    b'{"state":"acknowledged","detail":"x"}',
]
TARGETS = [
    b"GET /health",
    b"GET /sessions?limit=2&status=running&id_prefix=f",
    b"GET /sessions/fuzz",
    b"GET /sessions/fuzz/result",
    b"GET /sessions/fuzz/events?after_seq=1&limit=3",
    b"GET /sessions/fuzz/events?before_seq=9&run=1&event_type=x",
    b"DELETE /sessions/fuzz",
    b"POST /sessions",
    b"POST /sessions/fuzz/events",
    b"POST /sessions/fuzz/runs",
    b"PATCH /sessions/fuzz",
    b"PUT /sessions/fuzz/runs/1/lease",
    b"DELETE /sessions/fuzz/runs/1/lease?holder=me",
    b"POST /sessions/fuzz/runs/1/requests",
    b"GET /sessions/fuzz/runs/1/requests?state=pending&wait=0",
    b"PUT /sessions/fuzz/runs/1/requests/r",
]
INTERESTING = [
    b"\0", b"\r\n", b"\r", b"\n", b"%00", b"%2F", b"../", b"\xff", b"\\ud800", b'"', b"[" * 70,
    b"1e999", b"99999999999999999999999", b"-1", b"NaN", b":", b" ", b"\t", b"\x80", b"{}", b",",
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n",
    b"Connection: close\r\n", b"Upgrade: h2c\r\n",
]  # fmt: skip


def requests(manager: RunningManager) -> Iterator[bytes]:
    chance = random.Random(SEED)
    for _ in range(REQUESTS):
        target = chance.choice(TARGETS)
        body = chance.choice(JSON_BODIES) if target[:1] == b"P" else b""
        if chance.random() < 0.5:
            body = mutated(body, chance)
        head = (
            f" HTTP/1.1\r\nHost: 127.0.0.1:{manager.port}\r\n"
            f"Authorization: Bearer {manager.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        whole = target + head + body
        yield mutated(whole, chance) if chance.random() < 0.6 else whole


def mutated(text: bytes, chance: random.Random) -> bytes:
    changed = bytearray(text)
    for _ in range(chance.randint(1, 4)):
        place = chance.randint(0, len(changed))
        match chance.randrange(4):
            case 0:
                changed[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del changed[place : place + chance.randint(1, 8)]
            case 2:
                changed[place:place] = chance.choice(INTERESTING)
            case _:
                changed[place:place] = changed[place : place + chance.randint(1, 40)]
    return bytes(changed)


def status_of_answer(port: int, request: bytes) -> int | None:
    """What the first answer says, or None where there is none."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as opened:
        try:
            opened.sendall(request)
            opened.settimeout(ANSWER_SECONDS)
            while b"\r\n" not in answer and (part := opened.recv(4096)):
                answer += part
        except OSError:
            pass
    return int(answer.split()[1]) if answer else None


def test_no_mutated_request_is_answered_with_a_defect(manager: RunningManager) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        statuses = list(
            threads.map(lambda sent: status_of_answer(manager.port, sent), requests(manager))
        )
    assert [status for status in statuses if status is not None and status >= 500] == []
    answered = [status for status in statuses if status is not None]
    assert len(answered) > REQUESTS / 2
    assert {200, 201, 400, 404, 422} <= set(answered)
    log = manager.log()
    assert ("trace=" in log, "defect" in log) == (False, False), f"seed {SEED}:\n{log[-4000:]}"
    with Api(manager) as api:
        assert api.get("/sessions").status == 200
    assert manager.process.poll() is None

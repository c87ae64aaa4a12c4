"""Random requests that no client of ours would send, and some valid ones among them.

Each states what the server must do: respond, or possibly wait for a rest that never arrives.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

CRLF = b"\r\n"


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """Bytes to send on a new connection."""

    kind: str
    sent: bytes
    is_whole: bool = True
    """True if the server must respond or close the connection without further bytes."""
    statuses: tuple[int, ...] = ()
    """The expected statuses in order; empty if any response except an internal error is right."""


@dataclass(frozen=True, kw_only=True)
class Aim:
    """The manager and the sessions that the requests address."""

    port: int
    token: str
    session_id: str
    victim_id: str
    """A session that only a request hidden in the body of another request tries to delete."""

    def head(self, line: bytes, *fields: bytes) -> bytes:
        own = (
            b"Host: 127.0.0.1:%d" % self.port,
            b"Authorization: Bearer %b" % self.token.encode(),
        )
        return CRLF.join([line, *own, *fields, b"", b""])

    def post(self, target: bytes, body: bytes, *fields: bytes, method: bytes = b"POST") -> bytes:
        kind = b"Content-Type: application/json"
        length = b"Content-Length: %d" % len(body)
        return self.head(b"%b %b HTTP/1.1" % (method, target), kind, length, *fields) + body


Maker = Callable[[Aim, Random], Hostile]

METHODS = [
    b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT",
    b"get", b"G", b"FOO", b"PRI", b"M-SEARCH", b"GET\0", b"G\xc3\xa9T", b"", b"A" * 5000,
]  # fmt: skip
TARGETS = [
    b"/health", b"/sessions", b"/sessions/SESSION", b"/sessions/SESSION/events",
    b"/sessions/SESSION/result", b"/sessions/SESSION/runs", b"/sessions/SESSION/runs/1/lease",
    b"/sessions/SESSION/runs/1/requests", b"/sessions/SESSION/runs/1/requests/r", b"/usage",
    b"/facets", b"/transcripts?project_key=p", b"/transcripts/entries?project_key=p&session_id=s",
    b"/transcripts/summaries?project_key=p", b"/dashboard/token", b"/dashboard/codes", b"/events",
    b"/events/SESSION", b"/sessions/SESSION/metadata", b"/openapi.json", b"/ws", b"/",
]  # fmt: skip
STRANGE_TARGETS = [
    b"*", b"//", b"//sessions", b"/sessions//events", b"http://127.0.0.1/sessions",
    b"http://evil.test/sessions", b"http://[::1/", b"https://u:p@127.0.0.1:1/health", b"evil:80",
    b"/sessions/%2e%2e", b"/sessions/..", b"/sessions/../health", b"/sessions/%2F", b"/%00",
    b"/sessions/%00", b"/sessions/%0a", b"/sessions/%0d%0aX:%20y", b"/sessions/%ff%fe",
    b"/sessions/%C0%80", b"/sessions/%", b"/sessions/%zz", b"/sessions/a%2fb/events",
    b"/sessions#x",
    b"/sessions?%00=1", b"/sessions?limit=%FF", b"/sessions?limit=-1", b"/sessions?limit=1e3",
    b"/sessions?limit=99999999999999999999", b"/sessions?page=%00", b"/sessions?page=WzFd",
    b"/sessions?page=W10", b"/sessions?page=WzEsMiwzXQ", b"/sessions?page=WyJhIiwiYiJd",
    b"/sessions?page=WzFlNDAwXQ", b"/sessions?page=e30", b"/sessions?page=IjEi",
    b"/sessions?cursor=a:1",
    b"/sessions?sort=cost&page=WzEsMV0", b"/sessions?text=%25_%5C",
    b"/sessions?a=1" + b"&a=1" * 3000,
    b"/sessions?" + b"x" * 9000, b"/" + b"x" * 70_000, b"/sessions/" + b"a" * 129,
    b"/sessions/SESSION/runs/0/lease",
    b"/sessions/SESSION/runs/99999999999999999999/lease?holder=h",
    b"/sessions/SESSION/runs/1%00/requests", b"/sessions/SESSION/events?after_seq=1&before_seq=1",
    b"/sessions/SESSION/events?cursor=%00",
    b"/sessions/SESSION/events?after_seq=9223372036854775808",
    b"/usage?since=0001-01-01&bucket=day", b"/usage?since=9999-12-31T23:59:59-14:00",
    b"/usage?utc_offset_minutes=99999999999", b"/usage?since=%00", b"/\\sessions", b"/ sessions",
    b"/sessions/\xc3\xa9", b"/sessions/\xff", b"sessions", b"", b"?", b"#", b"/sessions;x=1",
    b"/transcripts/entries?project_key=%ED%A0%80&session_id=s", b"/transcripts?project_key=",
]  # fmt: skip
VERSIONS = [
    b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/3", b"HTTP/1.1.1", b"http/1.1",
    b"HTTP/11", b"HTTP/", b"", b"HTTP/1.1\0", b"HTTP/9.9", b"ICE/1.0", b"RTSP/1.0", b"HTTP/1.1 x",
]  # fmt: skip
FIELDS = [
    b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: +5", b"Content-Length: 5, 5",
    b"Content-Length: 0x5", b"Content-Length: 99999999999999999999", b"Content-Length:",
    b"Content-Length: 5 5", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: gzip", b"Transfer-Encoding: xchunked", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: chunked\r\n obs", b" folded: x",
    b"Host: 127.0.0.1", b"Host:", b"host: evil.test", b"Authorization: Bearer x", b"Authorization:",
    b"Content-Type: text/plain", b"Content-Type: application/json; charset=utf-16",
    b"Content-Encoding: gzip", b"Content-Encoding: deflate", b"Content-Encoding: identity",
    b"Expect: 100-continue", b"Expect: x", b"Connection: close", b"Connection: keep-alive, close",
    b"Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA", b"Upgrade: websocket",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 9",
    b"Origin: null", b"Origin: http://evil.test", b"Sec-Fetch-Site: cross-site",
    b"Last-Event-ID: a:1", b"Last-Event-ID: \xff", b"Accept: \xff\xfe",
    b"Accept-Encoding: gzip;q=x", b"Cookie: " + b"a=b;" * 2000, b"X: " + b"y" * 40_000,
    b"X: " + b"y" * 70_000, b"\r\n".join(b"X%d: y" % n for n in range(2000)), b": nameless",
    b"No colon", b"Na me: x", b"X: a\0b", b"X: a\rb", b"X: a\nb: c", b"\x80\xff: x", b"X:\t\tx\t",
    b"Trailer: Authorization", b"TE: trailers", b"Range: bytes=0-1,-1", b"If-None-Match: *",
    b"If-Modified-Since: x", b"X-HTTP-Method-Override: DELETE", b"X-Forwarded-Host: evil.test",
]  # fmt: skip
JSON_TARGETS = [
    (b"POST", b"/sessions"), (b"POST", b"/sessions/SESSION/events"),
    (b"PATCH", b"/sessions/SESSION"),
    (b"POST", b"/sessions/SESSION/runs"), (b"PUT", b"/sessions/SESSION/runs/1/lease"),
    (b"POST", b"/sessions/SESSION/runs/1/requests"),
    (b"PUT", b"/sessions/SESSION/runs/1/requests/r"), (b"POST", b"/dashboard/token"),
    (b"POST", b"/events"), (b"PATCH", b"/sessions/SESSION/metadata"),
    (b"POST", b"/transcripts/entries?project_key=p&session_id=s"),
    (b"PUT", b"/transcripts/summaries?project_key=p&session_id=s&expected_version=0&version=1"),
]  # fmt: skip
KNOWN_FIELDS = [
    "session_id", "session_name", "project_dir", "agent_name", "executor", "parent_session_id",
    "unique_name", "host", "spec", "lease", "last_resumed_at", "archived", "takeover", "holder",
    "request_id", "kind", "payload", "state", "detail", "event_type", "event_id", "run",
    "timestamp", "tool_name", "tool_input", "tool_output", "error", "reason", "role", "exit_code",
    "usage", "content", "code", "uuid", "type", "seq", "late",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 1.5, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, "", "x",
    "message", "session_stop", "usage", "session_start", "stop", "done", "completed", "lost",
    "2024-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "\x00", "\ud800", "\u202e", "é" * 800,
    "x" * 5000, [], {}, [[]], [None], [{}], {"": {}}, {"holder": "h"}, {"holder": 1},
    [{"type": "text", "text": "t"}], [{"type": "text"}], [{"type": 1}], {"input_tokens": -1},
    {"input_tokens": 10**12}, {"a\x00": 1},
]  # fmt: skip
RAW_BODIES = [
    b"", b" ", b"{", b"[", b"]", b"nul", b"NaN", b"[NaN]", b"[1e400]", b'{"event_type":NaN}',
    b'{"event_type":"x","v":1e400}', b'{"event_type":"x","v":-Infinity}', b'"\\ud800"',
    b'{"event_type":"\\udc00\\ud800"}', b'{"event_type":"x"}'[:9],
    b'\xef\xbb\xbf{"event_type":"x"}',
    '{"event_type":"x"}'.encode("utf-16"), '{"event_type":"x"}'.encode("utf-32"),
    b'{"event_type":"\xff"}', b'{"event_type":"\xc0\x80"}', b'{"event_type":"\xed\xa0\x80"}',
    b'{"event_type":"a\0"}', b'{"event_type":"\\u0000"}', b'{"event_type":"x","event_type":7}',
    b'{"event_type":"x","event_type":"y","a":1,"a":2}', b"[" * 65 + b"]" * 65, b"[" * 100_000,
    b'{"a":' * 70 + b"1" + b"}" * 70, b'{"event_type":"x","v":' + b"[" * 63 + b"]" * 63 + b"}",
    b"9" * 5000, b'{"event_type":"x","v":' + b"9" * 5000 + b"}", b"-" * 100, b'{"a":1}{"a":1}',
    b"{'event_type':'x'}", b'{"event_type":"x",}', b'[{"event_type":"x"},]', b"[[[]]]", b'[1,"a"]',
    b'[{"uuid":1}]', b'[{"uuid":"\\u0000"}]', b'[{"uuid":"' + b"u" * 3000 + b'"}]', b"/**/{}",
    b"[" + b'{"event_type":"x"},' * 1000 + b'{"event_type":"x"}]', b"a=b&c=d", b"<x/>",
    b"\x1f\x8b\x08",
    b'{"event_type":"x",' + b",".join(b'"k%d":1' % n for n in range(5000)) + b"}",
]  # fmt: skip
CHUNKED = [
    b"0\r\n\r\n", b"5\r\nabc", b"5\r\nabcdef\r\n0\r\n\r\n", b"g\r\n", b"-1\r\n",
    b"+2\r\n{}\r\n0\r\n\r\n",
    b"0x2\r\n{}\r\n0\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"2\n{}\n0\n\n",
    b"2;x=y\r\n{}\r\n0\r\n\r\n",
    b"2;" + b"x" * 70_000 + b"\r\n{}\r\n0\r\n\r\n", b"2\r\n{}\r\n0\r\nAuthorization: x\r\n\r\n",
    b"2\r\n{}\r\n0\r\nHost: evil\r\nContent-Length: 9\r\n\r\n", b"2\r\n{}X0\r\n\r\n",
    b"2 \r\n{}\r\n0\r\n\r\n",
    b"00000000000000000002\r\n{}\r\n0\r\n\r\n", b"\r\n2\r\n{}\r\n0\r\n\r\n", b"2\r\n{}\r\n0\r\nX: "
    + b"y" * 200_000 + b"\r\n\r\n",
]  # fmt: skip
SCRAPS = [
    b"\0", b"\r\n", b"\r", b"\n", b"%00", b"%2F", b"../", b"\xff", b"\\ud800", b'"', b"[" * 70,
    b"1e999", b"99999999999999999999999", b"-1", b"NaN", b":", b" ", b"\t", b"\x80", b"{}", b",",
    *(field + CRLF for field in FIELDS if len(field) < 100),
]  # fmt: skip


def aimed(target: bytes, aim: Aim) -> bytes:
    return target.replace(b"SESSION", aim.session_id.encode())


def any_target(aim: Aim, chance: Random, method: bytes = b"GET") -> bytes:
    target = chance.choice(TARGETS if chance.random() < 0.5 else STRANGE_TARGETS)
    if method == b"DELETE":  # the other requests still need the session
        return target.replace(b"SESSION", b"missing")
    return aimed(target, aim)


def _line(aim: Aim, chance: Random) -> Hostile:
    method = chance.choice(METHODS) if chance.random() < 0.6 else b"GET"
    version = chance.choice(VERSIONS) if chance.random() < 0.4 else b"HTTP/1.1"
    gap = chance.choice([b" ", b" ", b" ", b"  ", b"\t", b""])
    line = gap.join([method, any_target(aim, chance, method), version])
    return Hostile(kind="line", sent=aim.head(line), is_whole=version == b"HTTP/1.1")


def _target(aim: Aim, chance: Random) -> Hostile:
    method = chance.choice([b"GET", b"GET", b"GET", b"DELETE", b"HEAD", b"OPTIONS"])
    target = any_target(aim, chance, method)
    return Hostile(kind="target", sent=aim.head(b"%b %b HTTP/1.1" % (method, target)))


def _headers(aim: Aim, chance: Random) -> Hostile:
    fields = chance.choices(FIELDS, k=chance.randint(1, 4))
    target = aimed(chance.choice(TARGETS), aim)
    if chance.random() < 0.5:
        sent = aim.head(b"GET %b HTTP/1.1" % target, *fields)
    else:
        sent = aim.post(target, b'{"event_type":"x"}', *fields)
    return Hostile(kind="headers", sent=sent, is_whole=False)


def _smuggling(aim: Aim, chance: Random) -> Hostile:
    """Make a request whose body has two possible ends; the server must not accept either."""
    hidden = aim.head(b"DELETE /sessions/%b HTTP/1.1" % aim.victim_id.encode())
    line = b"POST /sessions/%b/events HTTP/1.1" % aim.session_id.encode()
    length = b"Content-Length: %d" % len(hidden)
    pairs = [
        (length, b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked", length),
        (b"Content-Length: 0", length),
        (length, b"Content-Length: 0"),
        (b"Content-Length: 0, %d" % len(hidden),),
        (b"Content-Length\t: 0", length),
        (b"Content-Length: 0\r\n 1",),
        (b"Transfer-Encoding: chunked\r\n , identity",),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
        (b"Transfer-Encoding: identity, chunked, x",),
        (b"Transfer-Encoding:\x0bchunked", length),
        (b"Content-Length: 0", b"Transfer-Encoding: xchunked"),
    ]
    fields = (b"Content-Type: application/json", *chance.choice(pairs))
    sent = aim.head(line, *fields) + chance.choice([b"", b"0\r\n\r\n"]) + hidden
    if chance.random() < 0.2:
        sent = sent.replace(b"\r\n", b"\n")
    return Hostile(kind="smuggling", sent=sent, is_whole=False)


def _chunked(aim: Aim, chance: Random) -> Hostile:
    method, target = chance.choice(JSON_TARGETS)
    kind, coding = b"Content-Type: application/json", b"Transfer-Encoding: chunked"
    head = aim.head(b"%b %b HTTP/1.1" % (method, aimed(target, aim)), kind, coding)
    return Hostile(kind="chunked", sent=head + chance.choice(CHUNKED), is_whole=False)


def _raw_body(aim: Aim, chance: Random) -> Hostile:
    method, target = chance.choice(JSON_TARGETS)
    sent = aim.post(aimed(target, aim), chance.choice(RAW_BODIES), method=method)
    return Hostile(kind="raw body", sent=sent)


def _fields(aim: Aim, chance: Random) -> Hostile:
    method, target = chance.choice(JSON_TARGETS)
    names = chance.sample(KNOWN_FIELDS, chance.randint(0, 4))
    value: Any = {name: chance.choice(VALUES) for name in names}
    if chance.random() < 0.8:
        value = {**_right_fields(target), **value}
    if value.get("session_id") == aim.session_id:
        del value["session_id"]
    whole = [value] * chance.choice([1, 2, 3]) if chance.random() < 0.2 else value
    body = json.dumps(whole, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    return Hostile(kind="fields", sent=aim.post(aimed(target, aim), body, method=method))


def _right_fields(target: bytes) -> dict[str, Any]:
    if target.endswith(b"/events"):
        return {"event_type": "x"}
    if target.endswith(b"/lease"):
        return {"holder": "h"}
    if target.endswith(b"/requests"):
        return {"request_id": "r", "kind": "stop"}
    if target.endswith(b"/requests/r"):
        return {"state": "acknowledged"}
    return {"session_name": "n"}


def _truncated(aim: Aim, chance: Random) -> Hostile:
    method, target = chance.choice(JSON_TARGETS)
    sent = aim.post(aimed(target, aim), b'{"event_type":"x","v":[1,2,3]}', method=method)
    return Hostile(
        kind="truncated", sent=sent[: chance.randrange(1, len(sent) - 1)], is_whole=False
    )


def _mutated(aim: Aim, chance: Random) -> Hostile:
    base = chance.choice([_fields, _target, _raw_body, _right])(aim, chance).sent
    changed = bytearray(base[:2000])
    for _ in range(chance.randint(1, 4)):
        place = chance.randint(0, len(changed))
        match chance.randrange(4):
            case 0:
                changed[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del changed[place : place + chance.randint(1, 8)]
            case 2:
                changed[place:place] = chance.choice(SCRAPS)
            case _:
                changed[place:place] = changed[place : place + chance.randint(1, 40)]
    return Hostile(kind="mutated", sent=bytes(changed), is_whole=False)


def _noise(aim: Aim, chance: Random) -> Hostile:
    sent = chance.choice(
        [
            chance.randbytes(chance.randint(1, 300)),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(200),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            CRLF * chance.randint(1, 50),
            b"SSH-2.0-x\r\n",
            b"\0" * 100,
        ]
    )
    return Hostile(kind="noise", sent=sent, is_whole=False)


def _right(aim: Aim, chance: Random) -> Hostile:
    session = b"/sessions/%b" % aim.session_id.encode()
    event = {"event_type": "x", "text": "é🦾" * chance.randint(0, 50)}
    choices = [
        (aim.head(b"GET /health HTTP/1.1"), 200),
        (aim.head(b"GET %b HTTP/1.1" % session), 200),
        (aim.head(b"GET %b/events?limit=2 HTTP/1.1" % session), 200),
        (aim.head(b"GET /sessions/missing HTTP/1.1"), 404),
        (aim.post(session + b"/events", json.dumps(event).encode()), 201),
        (aim.post(session + b"/events", b"{}"), 422),
    ]
    sent, status = chance.choice(choices)
    return Hostile(kind="right", sent=sent, statuses=(status,))


def _pipelined(aim: Aim, chance: Random) -> Hostile:
    parts = [_right(aim, chance) for _ in range(chance.randint(2, 6))]
    sent = b"".join(part.sent for part in parts)
    statuses = tuple(status for part in parts for status in part.statuses)
    return Hostile(kind="pipelined", sent=sent, statuses=statuses)


MAKERS: list[tuple[Maker, int]] = [
    (_line, 8), (_target, 16), (_headers, 10), (_smuggling, 5), (_chunked, 5), (_raw_body, 14),
    (_fields, 20), (_truncated, 2), (_mutated, 10), (_noise, 2), (_right, 12), (_pipelined, 3),
]  # fmt: skip
_ALL = [maker for maker, _ in MAKERS]
_WEIGHTS = [weight for _, weight in MAKERS]


def draw(aim: Aim, chance: Random) -> Hostile:
    """Return a random request."""
    (maker,) = chance.choices(_ALL, _WEIGHTS)
    return maker(aim, chance)

"""The route that exports a session: formats, headers, refusals, and large sessions."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

NewId = Callable[[], str]

PROMPT = "Fix it.\n</details><script>alert(1)</script>"
EVENTS: list[dict[str, Any]] = [
    {"event_type": "message", "role": "user", "content": [{"type": "text", "text": PROMPT}]},
    {"event_type": "thinking", "content": [{"type": "text", "text": "a thought"}]},
    {"event_type": "pre_tool", "tool_name": "Bash", "tool_use_id": "b", "tool_input": {"c": "in"}},
    {"event_type": "post_tool", "tool_use_id": "b", "tool_output": "o" * 5000},
    {"event_type": "session_stop", "reason": "completed", "exit_code": 0},
]


@pytest.fixture
def exported(api: Api, session_id: str) -> str:
    """Return the path of the export of a session that has ended."""
    assert api.post(f"/sessions/{session_id}/events", EVENTS).status == 201
    return f"/sessions/{session_id}/export"


@each_row(
    ("query", "media_type", "ending", "begin"),
    [
        ("", "text/markdown; charset=utf-8", "md", b"# `"),
        ("?format=markdown", "text/markdown; charset=utf-8", "md", b"# `"),
        ("?format=html", "text/html; charset=utf-8", "html", b"<!doctype html>\n"),
        ("?format=jsonl", "application/jsonl", "jsonl", b'{"seq":1,'),
    ],
)
def test_document_is_a_download_that_a_browser_cannot_run(
    api: Api, exported: str, query: str, media_type: str, ending: str, begin: bytes
) -> None:
    answer = api.get(exported + query)
    assert (answer.status, answer.headers["content-type"]) == (200, media_type)
    assert answer.body.startswith(begin)
    name = f"session-{exported.split('/')[2]}.{ending}"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; "
        "frame-ancestors 'none'"
    )
    assert b"a thought" not in answer.body


def test_json_lines_are_the_events_of_the_session(api: Api, exported: str) -> None:
    shown = api.get(f"{exported}?format=jsonl&thinking=true").body.splitlines()
    events = api.get(exported.replace("/export", "/events")).json["events"]
    assert [json.loads(line) for line in shown] == events


def test_options_change_the_document(api: Api, exported: str) -> None:
    assert b"a thought" in api.get(f"{exported}?thinking=true").body
    assert b"Bash" not in api.get(f"{exported}?tools=none").body
    names = api.get(f"{exported}?tools=names").body
    assert b"Bash" in names
    assert b"ooo" not in names
    assert "[… 4,000 bytes cut …]" in api.get(f"{exported}?max_output=1000").body.decode()


def test_lost_run_has_its_end_in_the_document(api: Api, session_id: str) -> None:
    api.post(f"/sessions/{session_id}/events", EVENTS[:1])
    assert api.post(f"/sessions/{session_id}/runs", {"takeover": True}).status == 201
    api.post(f"/sessions/{session_id}/events", EVENTS[:1])
    shown = api.get(f"/sessions/{session_id}/export").body.decode()
    assert re.findall(r"(?m)^\*\*(Run .*?)\*\*", shown) == [
        *("Run 1", "Run 1: lost", "Run 2"),
        "Run 2 was still running at the time of this export",
    ]


def test_session_without_events_is_a_document(api: Api, session_id: str) -> None:
    for kind in ("markdown", "html", "jsonl"):
        answer = api.get(f"/sessions/{session_id}/export?format={kind}")
        assert answer.status == 200
        assert bool(answer.body) is (kind != "jsonl")


@each_row(
    ("path", "refusal"),
    [
        ("/sessions/unheard-of/export", (404, "session_not_found")),
        ("/sessions/unheard-of/export?format=html", (404, "session_not_found")),
        ("?format=pdf", (422, "invalid_request")),
        ("?tools=some", (422, "invalid_request")),
        ("?thinking=perhaps", (422, "invalid_request")),
        ("?max_output=-1", (422, "invalid_request")),
        ("?max_output=4k", (422, "invalid_request")),
        ("?max_output=99999999999999999999", (422, "invalid_request")),
        ("?unknown=1", (422, "invalid_request")),
    ],
)
def test_errors_come_before_the_document(
    api: Api, exported: str, path: str, refusal: tuple[int, str]
) -> None:
    assert api.get(path if path.startswith("/") else exported + path).refusal == refusal


@each_row(
    ("name", "expected"),
    [
        ("fix login", "session-fix-login.md"),
        ('a"; filename="../../x', "session-a-filename-x.md"),
        ("../../etc/passwd", "session-etc-passwd.md"),
        ("CON", "session-CON.md"),
        ("x" * 200, f"session-{'x' * 80}.md"),
        ("日本", "session-ID.md"),
    ],
)
def test_file_name_is_safe(api: Api, new_id: NewId, name: str, expected: str) -> None:
    session_id = new_id()
    api.post("/sessions", {"session_id": session_id, "session_name": name})
    given = api.get(f"/sessions/{session_id}/export").headers["content-disposition"]
    assert given == f'attachment; filename="{expected.replace("ID", session_id)}"'


def test_large_session_is_complete_in_order(api: Api, session_id: str) -> None:
    path = f"/sessions/{session_id}"
    text = [{"type": "text", "text": "x" * 5_000}]
    event = {"event_type": "message", "role": "assistant", "content": text}
    for _ in range(3):
        assert api.post(f"{path}/events", [event] * 450).status == 201
    shown = api.get(f"{path}/export?format=html").body.decode()
    anchors = re.findall(r'id="e(\d+)"', shown)
    assert anchors == [str(seq) for seq in range(1, 1351)]
    assert shown.endswith("</html>\n")


def test_export_of_a_deleted_session_ends_incomplete(
    manager: RunningManager, api: Api, session_id: str
) -> None:
    """The manager cannot withdraw its answer, so it ends the connection before the last bytes."""
    path = f"/sessions/{session_id}"
    text = [{"type": "text", "text": "x" * 100_000}]
    event = {"event_type": "message", "role": "assistant", "content": text}
    for _ in range(3):  # more than the buffers of this connection hold
        assert api.post(f"{path}/events", [event] * 40).status == 201
    with closing(
        http.client.HTTPConnection("127.0.0.1", manager.port, timeout=WATCHDOG_SECONDS)
    ) as reader:
        reader.connect()
        reader.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        reader.request("GET", f"{path}/export", headers=api.headers)
        answer = reader.getresponse()
        assert answer.status == 200
        assert api.delete(f"{path}?force=true").status == 200
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
    assert "an export ended incomplete" in manager.log()
    assert '"level": "error"' not in manager.log()

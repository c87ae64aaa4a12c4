"""The routes of transcripts, called without our own client."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from tests.support.api import Answer, Api, raw_connection
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.waiting import wait_for

MIB = 1024 * 1024


def target(route: str, project_key: str, **more: object) -> str:
    return f"{route}?{urlencode({'project_key': project_key, 'session_id': 's', **more})}"


def append(api: Api, project_key: str, body: bytes, **more: object) -> Answer:
    return api.call("POST", target("/transcripts/entries", project_key, **more), body)


def entries(api: Api, project_key: str, **more: object) -> Answer:
    return api.get(target("/transcripts/entries", project_key, **more))


STRANGE = [
    rb'{"uuid":"1","text":"\u0000 \ud800 \udc00\ud800 \u00e9 \/ \u2028"}',
    '{"text": "naïve 🦾 \u2028\u2029\x85 \ufeff", "": ""}'.encode(),
    b'{"i":' + b"7" * 4300 + b',"j":-12345678901234567890123,"f":1e999,"g":1.10,"z":-0}',
    b'{"same":1,"same":2,"type" :\t"x"}',
    b'{"deep":' + b"[" * 250 + b"]" * 250 + b"}",
    b'{"brackets":"' + b"[{" * 5000 + b'"}',
    b"{}",
]


def test_lines_are_returned_byte_for_byte(api: Api, project_key: str) -> None:
    body = b" [ " + b"\n, ".join(STRANGE) + b" ]\r\n"
    assert append(api, project_key, body).json == {
        "ok": True,
        "appended": len(STRANGE),
        "last_position": len(STRANGE),
    }
    answer = entries(api, project_key)
    assert answer.body == b'{"entries":[' + b",".join(STRANGE) + b'],"next_after":null}'


LINES = {"Content-Type": "application/jsonl; charset=utf-8"}


def append_lines(api: Api, project_key: str, body: bytes) -> Answer:
    return api.call("POST", target("/transcripts/entries", project_key), body, LINES)


def test_json_lines_are_returned_byte_for_byte(api: Api, project_key: str) -> None:
    body = b"\n\r\n ".join(STRANGE) + b"\n"
    assert append_lines(api, project_key, body).json["appended"] == len(STRANGE)
    answer = entries(api, project_key)
    assert answer.body == b'{"entries":[' + b",".join(STRANGE) + b'],"next_after":null}'


Refused = dict[tuple[int, str], list[bytes]]

REFUSED_LINES: Refused = {
    (400, "invalid_json"): [
        b'{"a":1} {"b":1}',
        b'{"a":\n1}',
        b'{"a":1}\n{"a":',
        b'{"a":NaN}',
        b'{"a":"\xed\xa0\x80"}',
        b"\n" * 20_000_000 + b"x",
    ],
    (400, "too_deep"): [b'{"a":' + b"[" * 256 + b"]" * 256 + b"}"],
    (400, "number_out_of_range"): [b'{"a":' + b"1" * 4301 + b"}"],
    (422, "invalid_entry"): [b'{"uuid":"1"}\n[]', b"12\n" * 5_000_000],
    (413, "too_many_entries"): [b"{}\n" * 10_001],
}
REFUSED_BATCHES: Refused = {
    (400, "invalid_json"): [
        b"",
        b"{}",
        b'[{"a":1}',
        b'[{"a":1},]',
        b'[{"a":1} {"b":1}]',
        b'[{"a":1}]]',
        b"[{'a':1}]",
        b'[{"a":NaN}]',
        b'[{"a":-Infinity}]',
        b'[{"a":"\0"}]',
        b'[{"a":"\n"}]',
        b'[{"a":"\xed\xa0\x80"}]',
        b'\xef\xbb\xbf[{"a":1}]',
    ],
    (400, "too_deep"): [b'[{"a":' + b"[" * 256 + b"]" * 256 + b"}]", b"[" * 100_000],
    (400, "number_out_of_range"): [b'[{"a":' + b"1" * 4301 + b"}]"],
    (422, "invalid_entry"): [b"[1]", b'[{"uuid":"1"},{"uuid":"2"},null]'],
    (413, "too_many_entries"): [b"[" + b",".join([b"{}"] * 10_001) + b"]"],
}


@each_row(
    ("send", "body", "refusal"),
    [
        (send, body, refusal)
        for send, refused in ((append_lines, REFUSED_LINES), (append, REFUSED_BATCHES))
        for refusal, bodies in refused.items()
        for body in bodies
    ],
    ids=lambda value: str(value)[:40],
)
def test_body_with_an_unusable_line_is_refused_as_a_whole(
    api: Api,
    project_key: str,
    send: Callable[[Api, str, bytes], Answer],
    body: bytes,
    refusal: tuple[int, str],
) -> None:
    assert send(api, project_key, body).refusal == refusal
    assert entries(api, project_key).refusal == (404, "transcript_not_found")


def test_json_lines_are_accepted_on_this_route_only(api: Api, project_key: str) -> None:
    for route in ("/sessions", "/events", "/transcripts/entries/", "/transcripts/summaries"):
        answer = api.call("POST", target(route, project_key), b"{}", LINES)
        assert answer.refusal == (415, "json_only"), route


@each_row(
    "query",
    [
        "session_id=s",
        "project_key=p",
        "project_key=&session_id=s",
        "project_key=%00&session_id=s",
        f"project_key={'%C3%A9' * 501}&session_id=s",
        f"project_key={'x' * 1001}&session_id=s",
        "project_key=p&session_id=../s",
        "project_key=p&session_id=",
        "project_key=p&session_id=s&subpath=",
        "project_key=p&session_id=s&subpath=a%00",
        f"project_key=p&session_id=s&subpath={'x' * 1001}",
        "project_key=p&session_id=s&batch_id=a/b",
        "project_key=p&session_id=s&sub_path=a",
    ],
)
def test_invalid_transcript_key_is_refused(api: Api, query: str) -> None:
    answer = api.call("POST", f"/transcripts/entries?{query}", b"[{}]")
    assert answer.refusal == (422, "invalid_request")


@each_row("key", ["é" * 500, "../../etc", "a/b?c#d&e=f+g %2F", " ", ".", "\u2028"])
def test_transcript_key_can_be_any_text(api: Api, project_key: str, key: str) -> None:
    assert append(api, key, b'[{"uuid":"1"}]', subpath=key).status == 201
    assert entries(api, key, subpath=key).json["entries"] == [{"uuid": "1"}]
    (found,) = api.get(target("/transcripts", key)).json["transcripts"]
    assert (found["project_key"], found["subpath"], found["last_position"]) == (key, key, 1)
    assert entries(api, key).refusal == (404, "transcript_not_found")


@pytest.mark.parametrize("uuid", ["x" * 101, "\u0000", "\ud800", "", "sha256:1", "batch:b:0"])
def test_uuid_can_be_any_text_and_identifies_a_line(api: Api, project_key: str, uuid: str) -> None:
    body = json.dumps([{"uuid": uuid}, {"uuid": uuid + "x"}, {"n": 1}]).encode()
    counts = [append(api, project_key, body).json["appended"] for _ in range(2)]
    assert counts == [3, 1]


def test_lines_without_uuid_are_identified_by_their_batch(api: Api, project_key: str) -> None:
    body = b'[{"n":1},{"n":1},{"uuid":7},{"uuid":null}]'
    counts = [
        append(api, project_key, body, **batch).json["appended"]
        for batch in ({"batch_id": "b"}, {"batch_id": "b"}, {"batch_id": "c"}, {}, {})
    ]
    assert counts == [4, 0, 4, 4, 4]


def test_repeated_request_after_a_lost_answer_is_stored_once(
    api: Api, manager: RunningManager, project_key: str
) -> None:
    body = b'[{"uuid":"1"},{"n":1}]'
    place = target("/transcripts/entries", project_key, batch_id="b")
    with raw_connection(manager.port) as connection:
        connection.socket.sendall(
            f"POST {place} HTTP/1.1\r\nHost: 127.0.0.1:{manager.port}\r\n"
            f"Authorization: Bearer {manager.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        wait_for(lambda: entries(api, project_key).status == 200, "the batch is stored")
    again = append(api, project_key, body, batch_id="b").json
    assert (again["appended"], again["last_position"]) == (0, 2)


def test_large_line_is_accepted_on_this_route_only(api: Api, project_key: str) -> None:
    line = b'{"uuid":"1","text":"' + b"x" * (20 * MIB) + b'"}'
    assert append(api, project_key, b"[" + line + b"]").status == 201
    assert entries(api, project_key).body == b'{"entries":[' + line + b'],"next_after":null}'
    summary = target("/transcripts/summaries", project_key, expected_version=0, version=1)
    assert api.call("PUT", summary, line).refusal == (413, "body_too_large")
    assert append(api, project_key, b" " * (32 * MIB + 1)).refusal == (413, "body_too_large")
    assert api.call("POST", "/sessions", line).refusal == (413, "body_too_large")


def test_summary_is_stored_unchanged_and_replaced_by_version(api: Api, project_key: str) -> None:
    def put(expected: int, version: int, body: bytes = b"{}") -> Answer:
        versions = {"expected_version": expected, "version": version}
        return api.call("PUT", target("/transcripts/summaries", project_key, **versions), body)

    assert put(0, 1).refusal == (404, "transcript_not_found")
    append(api, project_key, b"[{},{}]")
    strange = STRANGE[0]
    assert put(0, 1, b" " + strange + b"\n").json == {"ok": True, "version": 1}
    assert put(0, 2).refusal == (409, "version_conflict")
    assert put(1, 3).refusal == (409, "version_conflict")
    assert put(1, 1).refusal == (422, "invalid_request")
    for body in (b"[]", b"1", b"{} {}", b"{", b""):
        assert put(1, 2, body).refusal == (400, "invalid_json")
    listed = api.get(target("/transcripts/summaries", project_key))
    assert strange in listed.body
    assert [summary["version"] for summary in listed.json["summaries"]] == [1]
    assert put(1, 2).status == 200


def test_transcript_can_be_deleted_twice(api: Api, project_key: str) -> None:
    append(api, project_key, b"[{}]")
    append(api, project_key, b"[{}]", subpath="subagents/agent-1")
    place = target("/transcripts", project_key)
    counts = [api.delete(place).json["transcripts_count"] for _ in range(2)]
    assert counts == [2, 0]
    assert entries(api, project_key).refusal == (404, "transcript_not_found")


def test_transcript_is_deleted_with_the_session_of_its_id(
    api: Api, project_key: str, new_id: Callable[[], str]
) -> None:
    session_id = new_id()
    place = target("/transcripts/entries", project_key, session_id=session_id)
    assert api.call("POST", place, b"[{}]").status == 201
    api.post("/sessions", {"session_id": session_id, "session_name": "n"})
    assert api.get(place).status == 200
    api.delete(f"/sessions/{session_id}")
    assert api.get(place).refusal == (404, "transcript_not_found")


def test_lists_are_paged(api: Api, project_key: str) -> None:
    for n in range(3):
        place = target("/transcripts/entries", project_key, session_id=f"s{n}")
        api.call("POST", place, b"[{}]")
        summary = {"session_id": f"s{n}", "expected_version": 0, "version": 1}
        api.call("PUT", target("/transcripts/summaries", project_key, **summary), b"{}")
    for route, key in (("/transcripts", "transcripts"), ("/transcripts/summaries", "summaries")):
        place = f"{route}?{urlencode({'project_key': project_key, 'limit': 2})}"
        first = api.get(place).json
        second = api.get(f"{place}&page={first['next_page']}").json
        found = [row["session_id"] for page in (first, second) for row in page[key]]
        assert found == ["s0", "s1", "s2"]
        assert second["next_page"] is None

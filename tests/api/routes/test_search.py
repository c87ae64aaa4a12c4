"""Search over HTTP. The tests of matches are in `tests/store/search`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.api.guard.family import make_family
from tests.api.guard.run_token import new
from tests.support.api import Api
from tests.support.indexed import wait_for_index
from tests.support.manager import RunningManager
from tests.support.waiting import wait_for


def says(text: str, **fields: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"event_type": "message", "role": "assistant", "content": content, **fields}


def test_health_is_current_only_if_all_is_found(api: Api, session_id: str) -> None:
    for _ in range(3):
        api.post(f"/sessions/{session_id}/events", says("word"))
        wait_for(lambda: api.get("/health").json["search_index"] == "current", "it is current")
        found = search(api, "word")
        assert found["indexed_through"] == found["newest"]


def search(api: Api, q: str, **query: Any) -> dict[str, Any]:
    answer = api.get(f"/search?{urlencode({'q': q, **query}, doseq=True)}")
    assert answer.status == 200, answer.json
    found: dict[str, Any] = answer.json
    return found


def fill(api: Api, session_id: str, *events: dict[str, Any]) -> None:
    api.post(f"/sessions/{session_id}/events", list(events))
    wait_for_index(api)


def test_committed_event_is_found(api: Api, session_id: str) -> None:
    word = uuid4().hex
    fill(api, session_id, says(f"the {word} here", timestamp="2026-01-02T03:04:05Z"))
    found = search(api, word.upper(), since="2026-01-02", until="2026-01-03")
    newest = found["newest"]
    assert found == {
        "hits": [
            {
                "session_id": session_id,
                "session_name": session_id,
                "project_dir": None,
                "agent_name": None,
                "agent": None,
                "seq": 1,
                "run": 1,
                "event_type": "message",
                "kind": "message",
                "tool_name": None,
                "has_error": False,
                "occurred_at": "2026-01-02T03:04:05.000000Z",
                "snippet": {
                    "text": f"the {word} here",
                    "ranges": [{"start": 4, "end": 36}],
                    "is_beginning": True,
                    "is_end": True,
                },
            }
        ],
        "sessions": [],
        "considered": 1,
        "complete": True,
        "indexed_through": newest,
        "newest": newest,
        "next_page": None,
    }


def test_pages_kinds_and_groups(api: Api, session_id: str) -> None:
    word = uuid4().hex
    thinking = {**says(word), "event_type": "thinking"}
    fill(api, session_id, says(word), thinking, says(word))
    first = search(api, word, limit=1)
    second = search(api, word, limit=1, page=first["next_page"])
    assert [hit["seq"] for hit in first["hits"] + second["hits"]] == [3, 1]
    assert second["next_page"] is None
    every = search(api, word, kind=["message", "thinking"], sort="best")
    assert sorted(hit["seq"] for hit in every["hits"]) == [1, 2, 3]
    assert [hit["seq"] for hit in search(api, word, group="session")["hits"]] == [3]


def test_malformed_query_is_400_with_its_position(api: Api) -> None:
    answer = api.get("/search?q=one+%22two")
    assert answer.status == 400
    assert answer.json == {
        "code": "invalid_query",
        "detail": "query, position 5: this quotation mark begins a phrase that does not end",
        "position": "4",
    }


@pytest.mark.parametrize(
    "query",
    ["", "q=x&kind=name", "q=x&sort=rank", "q=x&limit=101", "q=x&page=AAAA", "q=x&other=1"],
)
def test_wrong_parameter_is_refused(api: Api, query: str) -> None:
    assert api.get(f"/search?{query}").refusal == (422, "invalid_request")


def test_run_finds_only_its_family(manager: RunningManager, api: Api) -> None:
    family = make_family(manager, api)
    word = uuid4().hex
    for session_id in family.ids.values():
        api.post(f"/sessions/{session_id}/events", says(word))
    wait_for_index(api)
    assert len(search(api, word)["hits"]) == len(family.ids) - 1  # one is unknown
    with family.run:
        found = {hit["session_id"] for hit in search(family.run, word)["hits"]}
        assert found == {family.ids[name] for name in ("own", "child", "grandchild")}
        stranger = family.ids["stranger"]
        assert search(family.run, word, session_id=stranger)["hits"] == []


def test_deleted_session_is_not_found(api: Api) -> None:
    word = uuid4().hex
    api.post("/sessions", new(word))
    fill(api, word, says(word))
    assert len(search(api, word)["hits"]) == 1
    api.delete(f"/sessions/{word}")
    found = search(api, word)
    assert (found["hits"], found["sessions"]) == ([], [])

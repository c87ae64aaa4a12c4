"""Lists: filters, pages and limits, with many sessions and events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent_orchestrator.session_client import SessionClient
from agent_session_manager.domain.events.event import NewEvent
from agent_session_manager.store.change import Change
from agent_session_manager.store.changes import AppendEvents, CreateSession
from tests.support.api import Api
from tests.support.filling import fill
from tests.support.manager import RunningManager
from tests.support.rows import each_row

NewId = Callable[[], str]

IN_PROJECT = {"/none": 0, "/one": 1, "/page": 10, "/page-and-one": 11, "/rest": 1015}
SESSIONS = sum(IN_PROJECT.values())
LONG = "long"
EVENTS = 3_000


def much() -> Iterator[Change[Any]]:
    number = 0
    for project, count in IN_PROJECT.items():
        for _ in range(count):
            number += 1
            yield CreateSession(
                session_id=f"s{number:05}", session_name=f"name-{number}", project_dir=project
            )


def long_session() -> Iterator[Change[Any]]:
    yield CreateSession(session_id=LONG, session_name=LONG, project_dir="/long")
    for start in range(0, EVENTS, 1000):
        numbers = range(start + 1, start + 1001)
        yield AppendEvents(
            session_id=LONG,
            events=[
                NewEvent(event_type="odd" if n % 2 else "even", fields={"n": n}) for n in numbers
            ],
        )


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningManager]:
    """Start a manager with 1,037 sessions, and one more session with 3,000 events."""
    directory = tmp_path_factory.mktemp("much")
    fill(directory / "state", much())
    fill(directory / "state", long_session())
    running = RunningManager(directory)
    yield running
    assert running.stop() == 0, running.log()


def filled(sessions: list[dict[str, Any]]) -> list[str]:
    """Return the ids of the prefilled sessions, without those that other tests added."""
    ids = [session["session_id"] for session in sessions]
    return [session_id for session_id in ids if not session_id.startswith("t-")]


def walk(api: Api, target: str) -> list[list[Any]]:
    """Return the session ids of each page of a list, up to the last page."""
    pages = []
    mark = ""
    while True:
        answer = api.get(target + mark)
        assert answer.status == 200
        pages.append([session["session_id"] for session in answer.json["sessions"]])
        if answer.json["next_page"] is None:
            return pages
        mark = f"&page={answer.json['next_page']}"


def test_client_lists_all_sessions_newest_first(client: SessionClient) -> None:
    assert filled(client.list_sessions()) == [
        LONG,
        *(f"s{number:05}" for number in range(SESSIONS, 0, -1)),
    ]


def test_list_without_a_limit_has_all_sessions(api: Api) -> None:
    answer = api.get("/sessions")
    assert answer.headers["content-type"] == "application/json"
    assert filled(answer.json["sessions"]) == [
        LONG,
        *(f"s{number:05}" for number in range(SESSIONS, 0, -1)),
    ]


@each_row(("project", "count"), IN_PROJECT.items())
def test_list_is_one_json_document_for_any_number_of_sessions(
    api: Api, project: str, count: int
) -> None:
    body = api.get(f"/sessions?project_dir={project}").body
    document = json.loads(body)
    assert list(document) == ["sessions"]
    assert len(document["sessions"]) == count
    document = json.loads(api.get(f"/sessions?project_dir={project}&totals=true").body)
    assert (len(document["sessions"]), document["total"]) == (count, count)
    page = api.get(f"/sessions?project_dir={project}&totals=true&limit=1").json
    assert (len(page["sessions"]), page["total"]) == (min(count, 1), count)
    assert {session["project_dir"] for session in document["sessions"]} <= {project}


@each_row(
    ("project", "limit", "sizes"),
    [
        ("/none", 10, [0]),
        ("/one", 10, [1]),
        ("/page", 10, [10]),
        ("/page-and-one", 10, [10, 1]),
        ("/rest", 1000, [1000, 15]),
        ("/rest", 400, [400, 400, 215]),
    ],
)
def test_pages_hold_every_session_once(
    api: Api, project: str, limit: int, sizes: list[int]
) -> None:
    pages = walk(api, f"/sessions?limit={limit}&project_dir={project}")
    assert [len(page) for page in pages] == sizes
    together = [session_id for page in pages for session_id in page]
    assert together == sorted(set(together), reverse=True)


def test_pages_of_one_session_hold_every_session(api: Api) -> None:
    pages = walk(api, "/sessions?limit=1&id_prefix=s0001")
    assert pages == [[f"s0001{digit}"] for digit in range(9, -1, -1)]


def test_session_created_during_paging_does_not_shift_pages(api: Api, new_id: NewId) -> None:
    name = new_id()

    def create(session_id: str) -> None:
        assert api.post("/sessions", {"session_id": session_id, "session_name": name}).status == 201

    ids = [new_id() for _ in range(4)]
    for session_id in ids:
        create(session_id)
    first = api.get(f"/sessions?session_name={name}&limit=2").json
    create(new_id())
    second = api.get(f"/sessions?session_name={name}&limit=2&page={first['next_page']}").json
    seen = [session["session_id"] for page in (first, second) for session in page["sessions"]]
    assert seen == ids[::-1]
    assert second["next_page"] is None


@each_row(
    ("query", "found"),
    [
        ("session_name=name-7", ["s00007"]),
        ("session_name=name-7&project_dir=/page", ["s00007"]),
        ("session_name=name-7&project_dir=/one", []),
        ("session_name=NAME-7", []),
        ("session_name=", []),
        ("id_prefix=s0000&status=running&limit=2", ["s00009", "s00008"]),
        ("id_prefix=s0000&status=finished", []),
        ("id_prefix=s00007", ["s00007"]),
        ("id_prefix=s000070", []),
        ("id_prefix=S0000", []),
        ("id_prefix=s0000%25", []),
        ("id_prefix=s0000_", []),
        ("project_dir=/one&archived=false", ["s00001"]),
        ("project_dir=/one&archived=true", []),
        ("project=ONE&id_prefix=s0000", ["s00001"]),
        ("project=one&project_dir=/page", []),
        ("agent_name=none", []),
        ("agent=none", []),
        ("parent_session_id=none", []),
        ("project_dir=/page&limit=2&order=asc", ["s00002", "s00003"]),
        ("project_dir=/page&limit=2&order=asc&sort=name", ["s00010", "s00011"]),
        ("project_dir=/one&state=failed&state=running", ["s00001"]),
        ("project_dir=/one&state=failed", []),
        ("project_dir=/one&reason=failed&reason=lost", []),
        ("project_dir=/one&since=2026-01-01", ["s00001"]),
        ("project_dir=/one&until=2026-01-01T00:00:00%2B02:00", []),
        ("project_dir=/one&denied=false", ["s00001"]),
        ("project_dir=/one&cost_over=0.000000001", []),
        ("project_dir=/one&host=laptop", []),
        ("project_dir=/one&model=claude", []),
        ("project_dir=/one&sort=took&totals=true", ["s00001"]),
    ],
)
def test_filters_find_sessions_that_match_all_of_them(
    api: Api, query: str, found: list[str]
) -> None:
    listed = api.get(f"/sessions?{query}").json["sessions"]
    assert [session["session_id"] for session in listed] == found


@each_row(
    "query",
    [
        "unknown=1",
        "Limit=1",
        "limit=0",
        "limit=-1",
        "limit=1001",
        "limit=999999999999999999999999",
        "limit=1.5",
        "limit=",
        "limit=a",
        "limit=%D9%A1",
        "page=0",
        "page=a",
        "page=9223372036854775808",
        "status=not_existent",
        "status=",
        "archived=maybe",
        "session_name=%00",
        "state=odd",
        "reason=odd",
        "since=1",
        "until=never",
        "cost_over=-1",
        "cost_over=nan",
        "cost_over=inf",
        "cost_over=1e10",
        "denied=maybe",
        "sort=odd",
        "order=up",
        "project_dir=" + "x" * 1501,
    ],
)
def test_invalid_parameter_is_refused(api: Api, query: str) -> None:
    answer = api.get(f"/sessions?{query}")
    assert answer.refusal == (422, "invalid_request")
    assert "xxxx" not in answer.json["detail"]


@each_row(
    "query",
    [
        "unknown=1",
        "limit=0",
        "limit=1001",
        "limit=all",
        "after_seq=-1",
        "after_seq=1e3",
        "after_seq=9223372036854775808",
        "before_seq=-1",
        "after_seq=1&before_seq=2",
        "run=0",
        "run=2147483648",
        "event_type=%00",
    ],
)
def test_invalid_parameter_of_events_is_refused(api: Api, query: str) -> None:
    assert api.get(f"/sessions/{LONG}/events?{query}").refusal == (422, "invalid_request")


def seqs(api: Api, query: str) -> list[int]:
    answer = api.get(f"/sessions/{LONG}/events?{query}")
    return [event["seq"] for event in answer.json["events"]]


def test_every_event_of_a_long_session_can_be_read(api: Api) -> None:
    read: list[int] = []
    more = True
    while more:
        answer = api.get(f"/sessions/{LONG}/events?after_seq={read[-1] if read else 0}").json
        assert all(event["n"] == event["seq"] for event in answer["events"])
        read += [event["seq"] for event in answer["events"]]
        more = answer["has_more"]
    assert read == list(range(1, EVENTS + 1))


def test_events_can_be_read_backwards(api: Api) -> None:
    last = api.get(f"/sessions/{LONG}").json["session"]["last_seq"]
    assert seqs(api, f"before_seq={last + 1}&limit=3") == [3000, 2999, 2998]
    assert seqs(api, "before_seq=4") == [3, 2, 1]
    assert seqs(api, "before_seq=1") == []


@each_row(
    ("query", "expected"),
    [
        ("limit=2", [1, 2]),
        ("after_seq=2999", [3000]),
        ("after_seq=3000", []),
        ("after_seq=9223372036854775807", []),
        ("event_type=even&limit=3", [2, 4, 6]),
        ("event_type=even&before_seq=6", [4, 2]),
        ("event_type=none", []),
        ("run=1&limit=1", [1]),
        ("run=2", []),
    ],
)
def test_events_are_filtered_by_seq_type_and_run(api: Api, query: str, expected: list[int]) -> None:
    assert seqs(api, query) == expected


def test_has_more_is_true_only_if_more_events_follow(api: Api) -> None:
    def has_more(query: str) -> bool:
        more: bool = api.get(f"/sessions/{LONG}/events?{query}").json["has_more"]
        return more

    assert has_more("after_seq=1999")
    assert not has_more("after_seq=2000")
    assert has_more("before_seq=1002")
    assert not has_more("before_seq=1001")


def test_page_of_large_events_is_limited_by_size(api: Api, session_id: str) -> None:
    path = f"/sessions/{session_id}/events"
    large = {"event_type": "large", "text": "x" * 1_000_000}
    for _ in range(3):
        assert api.post(path, [large] * 4).status == 201
    read: list[int] = []
    pages = 0
    while True:
        answer = api.get(f"{path}?after_seq={len(read)}")
        assert len(answer.body) < 10_000_000
        read += [event["seq"] for event in answer.json["events"]]
        pages += 1
        if not answer.json["has_more"]:
            break
    assert (read, pages) == (list(range(1, 13)), 2)

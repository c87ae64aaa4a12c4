"""The feed of a session: history, then new events, each once, up to the end of the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.streams import Frame, open_and_take_nothing, seqs_in, streaming, was_cut
from tests.support.waiting import wait_for


def path(session_id: str, query: str = "") -> str:
    return f"/sessions/{session_id}/events{query}"


def append(api: Api, session_id: str, *numbers: int, **fields: Any) -> None:
    events = [{"event_type": "some", "number": number, **fields} for number in numbers]
    assert api.post(path(session_id), events).status == 201


def stop(api: Api, session_id: str, **fields: Any) -> None:
    assert api.post(path(session_id), {"event_type": "session_stop", **fields}).status == 201


def names(frames: list[Frame]) -> list[str]:
    return [frame.name for frame in frames]


def test_feed_sends_history_then_new_events_then_the_end(
    api: Api, manager: RunningManager, session_id: str
) -> None:
    append(api, session_id, 1, 2)
    with streaming(manager, path(session_id)) as stream:
        assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.response.headers["cache-control"] == "no-store"
        first, *history = [stream.next() for _ in range(3)]
        assert (first.name, first.data["session"]["state"]) == ("session", "running")
        assert seqs_in(history) == [1, 2]
        append(api, session_id, 3)
        live = stream.next()
        listed = api.get(path(session_id)).json["events"]
        assert [*(frame.data for frame in history), live.data] == listed
        stop(api, session_id, exit_code=3)
        rest = stream.rest()
    assert names(rest) == ["event", "session", "end"]
    session = api.get(f"/sessions/{session_id}").json["session"]
    assert [frame.data["session"] for frame in rest[1:]] == [session, session]
    assert (session["state"], session["exit_code"]) == ("failed", 3)


def test_cursor_consists_of_generation_and_seq(
    api: Api, manager: RunningManager, session_id: str
) -> None:
    append(api, session_id, 1, 2)
    generation = api.get(f"/sessions/{session_id}").json["session"]["generation"]
    with streaming(manager, path(session_id)) as stream:
        frames = [stream.next() for _ in range(3)]
    assert [frame.cursor for frame in frames] == [None, f"{generation}:1", f"{generation}:2"]


def test_reader_that_reconnects_gets_only_missing_events(
    api: Api, manager: RunningManager, session_id: str
) -> None:
    append(api, session_id, *range(1, 6))
    stop(api, session_id)
    with streaming(manager, path(session_id)) as stream:
        cursors = {f.data["seq"]: f.cursor or "" for f in stream.rest() if f.name == "event"}
    for target, headers, expected in (
        ("", {"Last-Event-ID": cursors[4]}, [5, 6]),
        (f"?cursor={cursors[2]}", {}, [3, 4, 5, 6]),
        (f"?cursor={cursors[1]}", {"Last-Event-ID": cursors[5]}, [6]),
        ("?after_seq=3", {}, [4, 5, 6]),
        ("?after_seq=3", {"Last-Event-ID": cursors[6]}, []),
        ("?after_seq=1000", {}, []),
    ):
        with streaming(manager, path(session_id, target), headers) as stream:
            assert seqs_in(stream.rest()) == expected, (target, headers)


def test_old_cursor_is_refused_with_the_head(
    api: Api, manager: RunningManager, session_id: str
) -> None:
    append(api, session_id, 1, 2)
    with streaming(manager, path(session_id)) as stream:
        cursor = [stream.next() for _ in range(3)][-1].cursor
        assert cursor is not None
    generation, _, _ = cursor.partition(":")
    assert api.delete(f"/sessions/{session_id}").status == 200
    api.post("/sessions", {"session_id": session_id, "session_name": "again"})
    append(api, session_id, *range(1, 10))
    current = api.get(f"/sessions/{session_id}").json["session"]["generation"]
    assert current != generation
    for wrong in (cursor, f"{current}:10"):
        for target, headers in (("", {"Last-Event-ID": wrong}), (f"?cursor={wrong}", {})):
            with streaming(manager, path(session_id, target), headers) as stream:
                assert stream.response.status_code == 410
                stream.response.read()
                said = stream.response.json()
            assert (said["code"], said["head"]) == ("cursor_unknown", f"{current}:9")
    with streaming(manager, path(session_id), {"Last-Event-ID": f"{current}:9"}) as stream:
        assert stream.response.status_code == 200


@each_row(
    "query",
    [
        "?cursor=1", "?cursor=abc", "?cursor=abc:", "?cursor=g:1", "?cursor=ab:-1",
        "?cursor=ab:99999999999999999999", "?cursor=%00", "?limit=5", "?before_seq=3",
        "?event_type=x", "?run=1", "?has_error=true", "?follow=never", "?unknown=1",
    ],
)  # fmt: skip
def test_invalid_feed_query_is_refused(
    manager: RunningManager, session_id: str, query: str
) -> None:
    with streaming(manager, path(session_id, query)) as stream:
        stream.response.read()
        assert stream.response.status_code == 422
        assert stream.response.json()["code"] == "invalid_request"


def test_unknown_session_is_refused_before_the_first_byte(manager: RunningManager) -> None:
    for session_id in ("none", "%20"):
        with streaming(manager, path(session_id)) as stream:
            stream.response.read()
            assert stream.response.status_code == 404
            assert stream.response.json()["code"] == "session_not_found"


def test_feed_needs_the_token(manager: RunningManager, session_id: str) -> None:
    with streaming(manager, path(session_id), {"Authorization": "Bearer x"}) as stream:
        assert stream.response.status_code == 401


def test_session_change_without_an_event_is_sent(
    api: Api, manager: RunningManager, session_id: str
) -> None:
    with streaming(manager, path(session_id)) as stream:
        assert stream.next().name == "session"
        api.patch(f"/sessions/{session_id}", {"session_name": "renamed"})
        frame = stream.next()
    assert (frame.name, frame.data["session"]["session_name"]) == ("session", "renamed")


def test_deletion_ends_the_feed_with_a_deleted_frame(
    api: Api, manager: RunningManager, session_id: str
) -> None:
    with streaming(manager, path(session_id, "?follow=forever")) as stream:
        stream.next()
        api.delete(f"/sessions/{session_id}")
        assert stream.rest() == [Frame(name="deleted", data={"session_id": session_id})]


def test_old_feed_ends_when_its_id_is_reused(
    api: Api, manager: RunningManager, session_id: str
) -> None:
    append(api, session_id, 1)
    with streaming(manager, path(session_id)) as stream:
        stream.until("event")
        api.delete(f"/sessions/{session_id}")
        api.post("/sessions", {"session_id": session_id, "session_name": "again"})
        append(api, session_id, 1, 2, 3)
        assert names(stream.rest()) == ["deleted"]


def test_feed_of_a_finished_session_ends_unless_followed_forever(
    api: Api, manager: RunningManager, session_id: str
) -> None:
    append(api, session_id, 1)
    stop(api, session_id)
    with streaming(manager, path(session_id)) as stream:
        assert names(stream.rest()) == ["session", "event", "event", "end"]
    with streaming(manager, path(session_id, "?follow=forever")) as stream:
        assert names([stream.next() for _ in range(3)]) == ["session", "event", "event"]
        assert api.post(f"/sessions/{session_id}/runs", {}).status == 201
        frame = stream.next()
        assert (frame.name, frame.data["session"]["run"]) == ("session", 2)
        append(api, session_id, 3)
        assert stream.next().data["seq"] == 3


def test_lost_run_ends_its_feed_without_an_event(
    start_manager: Callable[..., RunningManager],
) -> None:
    own = start_manager(moves_time=True)
    with Api(own) as api:
        new = {"session_id": "s", "session_name": "s", "lease": {"holder": "me"}}
        assert api.post("/sessions", new).status == 201
    with streaming(own, path("s")) as stream:
        assert names([stream.next()]) == ["session"]
        own.time.let_pass(60)
        assert names(stream.rest()) == ["session", "end"]


def test_many_and_large_events_arrive_whole_and_in_order(
    api: Api, manager: RunningManager, session_id: str
) -> None:
    """The data exceeds a page of the store, a slice of the socket and the shared tail."""
    with streaming(manager, path(session_id)) as stream:
        stream.next()
        for start in range(1, 5001, 1000):
            append(api, session_id, *range(start, start + 1000))
        for _ in range(3):
            append(api, session_id, 0, text="x" * 1_000_000)
        stop(api, session_id)
        frames = stream.rest()
    assert seqs_in(frames) == list(range(1, 5005))
    large = [f.data for f in frames if f.name == "event" and "text" in f.data]
    assert [len(data["text"]) for data in large] == [1_000_000] * 3


def test_line_breaks_in_an_event_do_not_break_its_frame(
    api: Api, manager: RunningManager, session_id: str
) -> None:
    hostile = "a\n\nevent: end\ndata: {}\n\n\r\r\n\u2028\u2029:"
    append(api, session_id, 1, text=hostile)
    stop(api, session_id)
    with streaming(manager, path(session_id)) as stream:
        frames = stream.rest()
    assert names(frames) == ["session", "event", "event", "end"]
    assert frames[1].data["text"] == hostile


def test_stalled_reader_is_cut_off_and_others_get_every_event(
    api: Api, manager: RunningManager, session_id: str
) -> None:
    with (
        open_and_take_nothing(manager, path(session_id)) as stalled,
        streaming(manager, path(session_id)) as stream,
    ):
        stream.next()
        for _ in range(4):
            append(api, session_id, 1, text="x" * 3_000_000)
        stop(api, session_id)
        assert seqs_in(stream.rest()) == [1, 2, 3, 4, 5]
        wait_for(lambda: "was disconnected" in manager.log(), "the stalled reader is cut off")
        wait_for(lambda: was_cut(stalled), "only the buffered data arrives")


def test_feed_ends_with_bye_and_its_cursor_survives_a_restart(
    start_manager: Callable[..., RunningManager],
) -> None:
    own = start_manager()
    with Api(own) as api:
        api.post("/sessions", {"session_id": "s", "session_name": "s"})
        append(api, "s", 1)
        with streaming(own, path("s")) as stream:
            last = stream.until("event")[-1]
            assert own.stop() == 0
            assert stream.rest() == [Frame(name="bye", data={})]
    own.restart()
    with Api(own) as api:
        append(api, "s", 2)
        stop(api, "s")
    with streaming(own, path("s"), {"Last-Event-ID": last.cursor or ""}) as stream:
        assert seqs_in(stream.rest()) == [2, 3]

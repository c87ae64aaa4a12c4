"""The WebSocket of the earlier system: the frames that a page receives."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from agent_session_manager.store.changes import CreateSession
from tests.api.earlier.earlier_events import append, send, session_of
from tests.api.earlier.earlier_page import Frame, Page, events_in, is_of, page_of
from tests.support.api import Api
from tests.support.filling import fill
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS, wait_for


def test_page_receives_all_frames_of_a_session(own: RunningManager, own_api: Api) -> None:
    send(own_api, "before", "session_start")
    with page_of(own) as page:
        assert page.next() == {"type": "init", "sessions": [session_of(own_api, "before")]}

        send(own_api, "s", "session_start")
        created, *_, started = page.until(is_of("s", "event"))
        assert created["type"] == "session_created"
        # The page may read the session before its first event, which another commit adds.
        seen, now = created["session"], session_of(own_api, "s")
        assert {**seen, **{name: now[name] for name in ("last_seq", "last_activity_at")}} == now
        (kept,) = own_api.get("/events/s").json["events"]
        assert started == {"type": "event", "data": kept}

        send(own_api, "s", "message", role="user", content=[{"type": "text", "text": "Go."}])
        message = page.until(is_of("s", "event"))[-1]
        assert message["data"] == own_api.get("/events/s").json["events"][1]

        send(own_api, "s", "session_stop", exit_code=0)
        *_, updated, stopped = page.until(is_of("s", "event"))
        assert updated == {"type": "session_updated", "session": session_of(own_api, "s")}
        assert updated["session"]["status"] == "finished"
        assert stopped["data"] == own_api.get("/events/s").json["events"][2]

        own_api.patch("/sessions/s/metadata", {"session_name": "renamed"})
        renamed = page.until(is_of("s", "session_updated"))[-1]
        assert renamed["session"]["session_name"] == "renamed"

        own_api.delete("/sessions/s")
        assert page.until(is_of("s", "session_deleted"))[-1] == {
            "type": "session_deleted",
            "session_id": "s",
        }


def test_first_frame_has_the_newest_thousand_sessions(own: RunningManager) -> None:
    with page_of(own) as page:
        assert page.next() == {"type": "init", "sessions": []}
    own.stop()
    new = (CreateSession(session_id=f"s{n}", session_name="x") for n in range(1002))
    fill(own.state_dir, new)
    own.restart()
    with page_of(own) as page:
        shown = [session["session_id"] for session in page.next()["sessions"]]
    assert shown == [f"s{n}" for n in range(1001, 1, -1)]


def test_session_frames_come_before_the_events_they_explain(
    own: RunningManager, own_api: Api
) -> None:
    ids = [f"s{n}" for n in range(50)]
    with page_of(own) as page:
        page.next()
        for session_id in ids:
            send(own_api, session_id, "session_start")
            send(own_api, session_id, "session_stop")
        frames = page.until(lambda f: len(events_in([f], ids[-1])) == 1)
        frames += page.until(lambda f: len(events_in([f], ids[-1])) == 1)
    for session_id in ids:
        own_frames = [
            frame
            for frame in frames
            if is_of(session_id, "session_created", "session_updated", "event")(frame)
        ]
        stop = next(
            n for n, f in enumerate(own_frames)
            if f["type"] == "event" and f["data"]["event_type"] == "session_stop"
        )  # fmt: skip
        states = [f["session"]["status"] for f in own_frames[:stop] if "session" in f]
        assert own_frames[0]["type"] == "session_created"
        assert states[-1] == "finished"
        assert [f["type"] for f in own_frames].count("session_created") == 1


def test_pages_that_connect_under_load_get_each_event_once(
    own: RunningManager, own_api: Api
) -> None:
    ids, batches, pages = [f"s{n}" for n in range(4)], 30, 5
    for session_id in ids:
        send(own_api, session_id, "session_start")
    written: list[str] = []

    def write(session_id: str) -> None:
        with Api(own) as api:
            for n in range(batches):
                append(api, session_id, *range(n))
                written.append(session_id)
            append(api, session_id, -1)

    def follow(nth: int) -> list[Frame]:
        due = nth * len(ids) * batches // (pages + 1)
        wait_for(lambda: len(written) >= due, "enough events are written")
        with page_of(own) as page:
            return follow_to_the_end(page, ids)

    with ThreadPoolExecutor(len(ids) + pages) as pool:
        followed = [pool.submit(follow, nth) for nth in range(pages)]
        for writing in [pool.submit(write, session_id) for session_id in ids]:
            writing.result(WATCHDOG_SECONDS)
        found = [following.result(WATCHDOG_SECONDS) for following in followed]
    for frames in found:
        numbers = [frame["data"]["id"] for frame in frames if frame["type"] == "event"]
        assert numbers == sorted(set(numbers))
        for session in frames[0]["sessions"]:
            seqs = [event["seq"] for event in events_in(frames, session["session_id"])]
            last = session_of(own_api, session["session_id"])["last_seq"]
            assert seqs == list(range(session["last_seq"] + 1, last + 1))
    begun = [session["last_seq"] for frames in found for session in frames[0]["sessions"]]
    assert len(set(begun)) > len(ids), "no page connected while events were written"


def follow_to_the_end(page: Page, session_ids: Collection[str]) -> list[Frame]:
    """Return all frames until the last event of each of these sessions."""
    frames: list[Frame] = []
    left = set(session_ids)
    while left:
        frames.append(page.next())
        if frames[-1].get("data", {}).get("n") == -1:
            left.remove(frames[-1]["data"]["session_id"])
    return frames


def test_deleted_session_sends_no_more_events(own: RunningManager, own_api: Api) -> None:
    with page_of(own) as page:
        page.next()
        for _ in range(40):
            send(own_api, "s", "session_start")
            append(own_api, "s", *range(20))
            own_api.delete("/sessions/s")
        send(own_api, "last", "session_start")
        frames = page.until(is_of("last", "event"))
    is_there = False
    for frame in frames:
        if is_of("s", "session_created")(frame):
            is_there = True
        elif is_of("s", "session_deleted")(frame):
            is_there = False
        elif is_of("s", "event")(frame):
            assert is_there


def test_messages_of_a_page_are_ignored(earlier: Api, open_manager: RunningManager) -> None:
    send(earlier, "chatty", "session_start")
    with page_of(open_manager) as page:
        page.next()
        for said in ("", "text", '{"type":"init"}', b"\x00\xff", b"", "x" * 64 * 1024):
            page.connection.send(said)
        page.connection.send(["in ", "several ", "pieces"])
        assert page.connection.ping().wait(WATCHDOG_SECONDS)
        append(earlier, "chatty", 1)
        assert events_in(page.until(is_of("chatty", "event")), "chatty")[0]["n"] == 1

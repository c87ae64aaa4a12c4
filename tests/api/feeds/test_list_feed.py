"""The feed of all sessions: it continues at the cursor of a list and sends each change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.streams import Frame, streaming


@pytest.fixture
def own_api(own: RunningManager) -> Iterator[Api]:
    with Api(own) as opened:
        yield opened


def create(api: Api, *session_ids: str, **fields: Any) -> None:
    for session_id in session_ids:
        new = {"session_id": session_id, "session_name": session_id, **fields}
        assert api.post("/sessions", new).status == 201


def told(frame: Frame) -> tuple[str, str]:
    """Return the name of a frame and the id of its session."""
    session = frame.data.get("session") or frame.data
    return frame.name, session["session_id"]


def test_feed_continues_at_the_cursor_of_a_list(own: RunningManager, own_api: Api) -> None:
    create(own_api, "a", "b")
    page = own_api.get("/sessions?limit=1").json
    assert [session["session_id"] for session in page["sessions"]] == ["b"]
    create(own_api, "c")
    own_api.patch("/sessions/a", {"session_name": "renamed"})
    own_api.delete("/sessions/b")
    with streaming(own, f"/sessions?cursor={page['cursor']}") as stream:
        frames = [stream.next() for _ in range(4)]
        assert [told(frame) for frame in frames[:3]] == [
            ("session_created", "c"),
            ("session_updated", "a"),
            ("session_deleted", "b"),
        ]
        assert frames[1].data["session"] == own_api.get("/sessions/a").json["session"]
        assert (frames[3].name, frames[3].cursor) == ("ready", frames[2].cursor)


def test_feed_without_a_cursor_starts_now_and_sends_its_cursor(
    own: RunningManager, own_api: Api
) -> None:
    create(own_api, "before")
    with streaming(own, "/sessions") as stream:
        ready = stream.next()
        assert (ready.name, ready.data) == ("ready", {})
        assert ready.cursor == own_api.get("/sessions?limit=1").json["cursor"]
        create(own_api, "after")
        assert told(stream.next()) == ("session_created", "after")


def test_each_cursor_of_the_feed_can_resume_it(own: RunningManager, own_api: Api) -> None:
    cursor = own_api.get("/sessions?limit=1").json["cursor"]
    names = [f"s{n}" for n in range(250)]
    create(own_api, *names)
    seen: list[str] = []
    while len(seen) < len(names):
        with streaming(own, "/sessions", {"Last-Event-ID": cursor}) as stream:
            for _ in range(min(60, len(names) - len(seen))):
                frame = stream.next()
                seen.append(told(frame)[1])
                cursor = frame.cursor or ""
    assert seen == names


def test_changes_since_a_cursor_become_one_update(own: RunningManager, own_api: Api) -> None:
    create(own_api, "s")
    cursor = own_api.get("/sessions?limit=1").json["cursor"]
    for number in range(50):
        own_api.patch("/sessions/s", {"session_name": f"name {number}"})
    with streaming(own, f"/sessions?cursor={cursor}") as stream:
        update, ready = stream.next(), stream.next()
    assert (told(update), ready.name) == (("session_updated", "s"), "ready")
    assert update.data["session"]["session_name"] == "name 49"


@each_row("cursor", ["0" * 32 + ":0", "ab:1"])
def test_cursor_of_another_database_is_refused_with_the_head(
    api: Api, manager: RunningManager, cursor: str
) -> None:
    with streaming(manager, f"/sessions?cursor={cursor}") as stream:
        stream.response.read()
        assert stream.response.status_code == 410
        said = stream.response.json()
    assert (said["code"], said["head"]) == (
        "cursor_unknown",
        api.get("/sessions?limit=1").json["cursor"],
    )


@each_row("query", ["limit=1", "status=running", "text=x", "cursor=x", "page=x"])
def test_invalid_feed_query_is_refused(manager: RunningManager, query: str) -> None:
    with streaming(manager, f"/sessions?{query}") as stream:
        stream.response.read()
        assert stream.response.status_code == 422

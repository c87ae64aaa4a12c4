"""Following a session despite wrong frames, errors and cut connections."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import httpx
import pytest

from agent_orchestrator.client.follow import follow_session
from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.session_client import SessionClientError, SessionNotFoundError
from tests.api.client.conftest import Line
from tests.api.client.followed_session import STOP, NewId, fail, notes
from tests.api.client.played_feed import END, OPENING, SESSION, event, feed, framed, played
from tests.support.proxy import WAYS, Fault, Way
from tests.support.recording import Received, Reply, json_reply, recording
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

GREETING_BYTES = 300
"""Less than the size of the response headers and the first frame of a feed."""


@each_row("wrong", [event(1), event(3), framed("event", {}, "g:7")])
def test_event_out_of_order_makes_the_client_reconnect(
    wrong: bytes,
) -> None:
    replies = [feed(OPENING, event(1), wrong, event(2)), feed(OPENING, event(2), event(3), END)]
    with recording(played(replies)) as server, ManagerClient(server.url) as client:
        frames = list(follow_session(client, SESSION, on_outage=fail))
    assert [f.content["seq"] for f in frames if f.name == "event"] == [1, 2, 3]
    assert [r.headers["last-event-id"] for r in server.requests] == ["g:0", "g:1"]


@each_row(
    ("reply", "told"),
    [
        (feed(OPENING, event(2)), "event 2 came after 0"),
        (json_reply({"events": [], "has_more": False}), "older than this command"),
    ],
)
def test_repeated_fault_of_the_manager_is_reported(reply: Reply, told: str) -> None:
    class Told(Exception):
        pass

    def tell(error: SessionClientError) -> None:
        raise Told(str(error))

    with (
        recording(reply) as server,
        ManagerClient(server.url) as client,
        pytest.raises(Told, match=told),
    ):
        list(follow_session(client, SESSION, on_outage=tell))


def test_unknown_frames_are_ignored() -> None:
    replies = feed(OPENING, framed("weather", {"sun": True}), event(1), END)
    with recording(replies) as server, ManagerClient(server.url) as client:
        frames = list(follow_session(client, SESSION, on_outage=fail))
    assert [f.name for f in frames] == ["session", "event", "end"]


def test_deleted_frame_ends_the_feed() -> None:
    gone = feed(OPENING, framed("deleted", {"session_id": "x"}), event(1))
    with (
        recording(gone) as server,
        ManagerClient(server.url) as client,
        pytest.raises(SessionNotFoundError, match="no session 'x'"),
    ):
        list(follow_session(client, SESSION, on_outage=fail))
    assert len(server.requests) == 1


def test_client_reconnects_after_bye_frame() -> None:
    replies = [feed(OPENING, event(1), framed("bye", {}), event(2)), feed(OPENING, event(2), END)]
    with recording(played(replies)) as server, ManagerClient(server.url) as client:
        frames = list(follow_session(client, SESSION, on_outage=fail))
    assert [r.headers["last-event-id"] for r in server.requests] == ["g:0", "g:1"]
    assert [f.content["seq"] for f in frames if f.name == "event"] == [1, 2]


@each_row(
    ("status", "code"),
    [(400, "invalid_request"), (404, "session_not_found"), (410, "cursor_unknown")],
)
def test_permanent_error_is_raised_at_once(status: int, code: str) -> None:
    refused = json_reply({"detail": "no", "code": code}, status)
    with (
        recording(refused) as server,
        ManagerClient(server.url) as client,
        pytest.raises(SessionClientError) as caught,
    ):
        next(follow_session(client, SESSION, on_outage=fail))
    assert len(server.requests) == 1
    assert isinstance(caught.value, SessionNotFoundError) == (status != 400)


@each_row(
    "passing",
    [
        json_reply({"detail": "full", "code": "overloaded"}, 503),
        json_reply({"detail": "who?", "code": "unauthorized"}, 401),
        json_reply({"detail": "slow down", "code": "too_many_failures"}, 429),
        json_reply({"events": [], "has_more": False}),
        Reply(status=404, body=b"<h1>Not here</h1>", content_type="text/html"),
        Reply(body=b"event: event\ndata: ?\n\n", content_type="text/event-stream"),
    ],
)
def test_temporary_error_is_reported_and_retried(passing: Reply) -> None:
    told: list[SessionClientError] = []
    replies = [passing, passing, feed(OPENING, event(1), END)]
    with recording(played(replies)) as server, ManagerClient(server.url) as client:
        frames = list(follow_session(client, SESSION, on_outage=told.append))
    assert [f.name for f in frames] == ["session", "event", "end"]
    assert len(told) == 1


@each_row("status", [401, 403])
def test_refused_token_is_a_permanent_error(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = json_reply({"detail": "who?", "code": "unauthorized"}, status)
    with recording(refused) as server:
        send_token(monkeypatch, server.url, "t" * 40)
        with ManagerClient(server.url) as client, pytest.raises(SessionClientError) as caught:
            next(follow_session(client, SESSION, on_outage=fail))
    assert (caught.value.status_code, len(server.requests)) == (status, 1)


def test_changed_token_is_sent_after_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[SessionClientError] = []

    def answer(received: Received) -> Reply:
        if received.headers["authorization"].endswith("old"):
            monkeypatch.setenv("AGENT_ORCHESTRATOR_TOKEN", "t" * 40 + "new")
            return json_reply({"detail": "who?", "code": "unauthorized"}, 401)
        return feed(OPENING, event(1), END)

    with recording(answer) as server:
        send_token(monkeypatch, server.url, "t" * 40 + "old")
        with ManagerClient(server.url) as client:
            frames = list(follow_session(client, SESSION, on_outage=told.append))
    assert ([f.name for f in frames], len(told)) == (["session", "event", "end"], 1)


class ClientOfAStartingManager(ManagerClient):
    """Finds the token, but not for its first request: the manager was about to write it."""

    count = 0

    def _authorize(self, request: httpx.Request) -> httpx.Request:
        self.count += 1
        return request if self.count == 1 else super()._authorize(request)


def test_request_without_a_token_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(received: Received) -> Reply:
        if "authorization" not in received.headers:
            return json_reply({"detail": "who?", "code": "unauthorized"}, 401)
        return feed(OPENING, event(1), END)

    told: list[SessionClientError] = []
    with recording(answer) as server:
        send_token(monkeypatch, server.url, "t" * 40)
        with ClientOfAStartingManager(server.url) as client:
            frames = list(follow_session(client, SESSION, on_outage=told.append))
    assert ([f.name for f in frames], len(told)) == (["session", "event", "end"], 1)


def send_token(monkeypatch: pytest.MonkeyPatch, url: str, token: str) -> None:
    """Make clients send `token` to a server on this machine, as through a tunnel."""
    monkeypatch.setenv("AGENT_ORCHESTRATOR_SESSION_MANAGER_URL", url)
    monkeypatch.setenv("AGENT_ORCHESTRATOR_TOKEN", token)


def test_connection_cut_at_any_byte_loses_no_event(
    behind: Callable[..., Line], new_id: NewId
) -> None:
    faults: list[Fault] = []
    line = behind(lambda _number: faults.pop() if faults else None)

    @each_row("after_bytes, way", product([0, 10, GREETING_BYTES, 3000], WAYS))
    def is_read_whole(after_bytes: int, way: Way) -> None:
        session = line.records.create_session(new_id(), "x")
        line.records.append_events(session["session_id"], [*notes(*"abcdefghij"), STOP])
        faults.append(Fault(after_bytes=after_bytes, way=way))
        told: list[SessionClientError] = []
        # Only a stalled connection needs a short time-out. It may then expire more than once.
        silence_seconds = 1.0 if way == "stall" else WATCHDOG_SECONDS
        with ManagerClient(line.client.base_url) as client:
            frames = follow_session(
                client, session, on_outage=told.append, silence_seconds=silence_seconds
            )
            seqs = [f.content["seq"] for f in frames if f.name == "event"]
        assert (seqs, faults) == (list(range(1, 12)), [])
        assert len(told) <= 1 or way == "stall"

    is_read_whole()

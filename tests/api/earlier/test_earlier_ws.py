"""The WebSocket of the earlier system: what a page reads, and what a hostile reader cannot do."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from agent_session_manager.api.app import build_app
from agent_session_manager.domain.event import NewEvent
from agent_session_manager.feed import feed
from agent_session_manager.machine.clock import now
from agent_session_manager.manager.manager import Manager
from agent_session_manager.sql.store import open_store
from agent_session_manager.sql.write import positions
from agent_session_manager.store.changes import CreateSession, UpdateSession
from agent_session_manager.transport.websocket import (
    HELD_BYTES,
    SEND_BUFFER_BYTES,
    WebSocketProtocol,
)
from tests.support.api import Api
from tests.support.loops import run
from tests.support.manager import RunningManager
from tests.support.pages import HANDSHAKE, open_page
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

PAGE = "http://localhost:5173"
AT = "2026-01-02T03:04:05.000006+00:00"
UPGRADE = HANDSHAKE + "\r\n"
GOODBYE = b"\x88\x80\x00\x00\x00\x00"
"""The frame with which a client closes."""

StartManager = Callable[..., RunningManager]


@pytest.fixture(scope="module")
def open_manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningManager]:
    """A manager as clients of the earlier system need it."""
    directory = tmp_path_factory.mktemp("open-manager")
    running = RunningManager(directory, arguments=["--auth", "off", "--allow-origin", PAGE])
    yield running
    assert "trace=" not in running.log()
    assert running.stop() == 0, running.log()


@pytest.fixture
def own(start_manager: StartManager) -> Iterator[RunningManager]:
    """The same for this test alone: it holds nothing yet."""
    running: RunningManager = start_manager(arguments=["--auth", "off"])
    yield running
    assert "trace=" not in running.log()


@pytest.fixture
def earlier(open_manager: RunningManager) -> Iterator[Api]:
    with Api(open_manager) as opened:
        yield opened


@pytest.fixture
def own_api(own: RunningManager) -> Iterator[Api]:
    with Api(own) as opened:
        yield opened


Frame = dict[str, Any]


class Page:
    """A page that reads what comes, and says nothing."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def next(self) -> Frame:
        text = self.connection.recv(timeout=WATCHDOG_SECONDS)
        assert isinstance(text, str)
        frame: Frame = json.loads(text)
        return frame

    def until(self, is_last: Callable[[Frame], bool]) -> list[Frame]:
        """All frames up to the first of which this holds, that one included."""
        found = [self.next()]
        while not is_last(found[-1]):
            found.append(self.next())
        return found


@contextmanager
def page_of(manager: RunningManager, **options: Any) -> Iterator[Page]:
    with open_page(manager, **options) as opened:
        yield Page(opened)


def send(api: Api, session_id: str, event_type: str, **fields: Any) -> None:
    event = {"event_type": event_type, "session_id": session_id, "session_name": "old"}
    answer = api.post("/events", {**event, "timestamp": AT, **fields})
    assert (answer.status, answer.json) == (200, {"ok": True})


def append(api: Api, session_id: str, *ns: int, **fields: Any) -> None:
    events = [{"event_type": "x", "n": n, **fields} for n in ns]
    assert api.post(f"/sessions/{session_id}/events", events).status == 201


def session_of(api: Api, session_id: str) -> Frame:
    found: Frame = api.get(f"/sessions/{session_id}").json["session"]
    return found


def is_of(session_id: str, *types: str) -> Callable[[Frame], bool]:
    """Whether a frame is about a session, and of one of these types."""

    def holds(frame: Frame) -> bool:
        about = frame.get("session") or frame.get("data") or frame
        return frame["type"] in types and about["session_id"] == session_id

    return holds


def events_in(frames: list[Frame], session_id: str) -> list[Frame]:
    return [frame["data"] for frame in frames if is_of(session_id, "event")(frame)]


def test_page_is_told_of_a_session_from_start_to_end(own: RunningManager, own_api: Api) -> None:
    send(own_api, "before", "session_start")
    with page_of(own) as page:
        assert page.next() == {"type": "init", "sessions": [session_of(own_api, "before")]}

        send(own_api, "s", "session_start")
        created, started = page.next(), page.next()
        assert created == {"type": "session_created", "session": session_of(own_api, "s")}
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


def test_page_begins_with_the_newest_thousand(own: RunningManager, own_api: Api) -> None:
    with page_of(own) as page:
        assert page.next() == {"type": "init", "sessions": []}
    for n in range(1002):
        new = {"session_id": f"s{n}", "session_name": "x"}
        assert own_api.post("/sessions", new).status == 201
    with page_of(own) as page:
        shown = [session["session_id"] for session in page.next()["sessions"]]
    assert shown == [f"s{n}" for n in range(1001, 1, -1)]


def test_frames_that_explain_an_event_come_before_it(own: RunningManager, own_api: Api) -> None:
    ids = [f"s{n}" for n in range(150)]
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


def test_pages_that_come_while_much_is_written_miss_nothing_and_see_nothing_twice(
    own: RunningManager, own_api: Api
) -> None:
    ids, batches, pages = [f"s{n}" for n in range(4)], 60, 5
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
        wait_for(lambda: len(written) >= due, "something is written")
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
    assert len(set(begun)) > len(ids), "the pages came while nothing was written"


def follow_to_the_end(page: Page, session_ids: Collection[str]) -> list[Frame]:
    """All frames until the last event of each of these sessions."""
    frames: list[Frame] = []
    left = set(session_ids)
    while left:
        frames.append(page.next())
        if frames[-1].get("data", {}).get("n") == -1:
            left.remove(frames[-1]["data"]["session_id"])
    return frames


def test_events_of_a_session_that_was_deleted_are_told_no_more(
    own: RunningManager, own_api: Api
) -> None:
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


def test_what_a_page_says_is_ignored(earlier: Api, open_manager: RunningManager) -> None:
    send(earlier, "chatty", "session_start")
    with page_of(open_manager) as page:
        page.next()
        for said in ("", "text", '{"type":"init"}', b"\x00\xff", b"", "x" * 64 * 1024):
            page.connection.send(said)
        page.connection.send(["in ", "several ", "pieces"])
        assert page.connection.ping().wait(WATCHDOG_SECONDS)
        append(earlier, "chatty", 1)
        assert events_in(page.until(is_of("chatty", "event")), "chatty")[0]["n"] == 1


@each_row(
    "said",
    ["x" * (64 * 1024 + 1), b"x" * (64 * 1024 + 1), b"x" * 8 * 1024 * 1024, ["x" * 40_000] * 2],
    ids=["text", "bytes", "much", "pieces"],
)
def test_message_that_is_too_large_ends_the_connection(
    open_manager: RunningManager, said: Any
) -> None:
    with page_of(open_manager) as page:
        page.next()
        with pytest.raises(ConnectionClosed) as closed:
            page.connection.send(said)
            while True:
                page.next()
        assert closed.value.rcvd is None or closed.value.rcvd.code == 1009


def raw(manager: RunningManager, head: str = UPGRADE, **options: int) -> socket.socket:
    """A handshake of our own, and whatever is wanted after it."""
    opened = socket.socket()
    opened.settimeout(WATCHDOG_SECONDS)
    for name, value in options.items():
        opened.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    opened.connect(("127.0.0.1", manager.port))
    opened.sendall(head.format(port=manager.port).encode("latin-1"))
    return opened


def read_to_the_end(opened: socket.socket) -> bytes:
    found = b""
    while chunk := opened.recv(65536):
        found += chunk
    return found


@each_row(
    ("bytes_sent", "code"),
    [
        (b"\x81\x02hi", 1002),  # not masked
        (b"\xf1\x80\x00\x00\x00\x00", 1002),  # a flag of no extension
        (b"\x83\x80\x00\x00\x00\x00", 1002),  # an opcode that there is not
        (b"\x81\xff" + b"\xff" * 8 + b"\x00" * 4, 1009),  # of 2**64 bytes
        (b"\x81\xff" + b"\x7f" + b"\xff" * 7 + b"\x00" * 4, 1009),  # of 2**63 bytes
        (b"\x89\xfe\x00\xff" + b"\x00" * (4 + 255), 1002),  # a ping that is too long
    ],
)
def test_bytes_that_are_no_frame_end_the_connection(
    open_manager: RunningManager, bytes_sent: bytes, code: int
) -> None:
    with raw(open_manager) as opened:
        found = opened.recv(65536)
        assert found.startswith(b"HTTP/1.1 101 ")
        opened.sendall(bytes_sent)
        found += read_to_the_end(opened)
    closing = found.rindex(b"\x88")
    assert found[closing + 2 : closing + 4] == code.to_bytes(2, "big")


def test_nothing_is_compressed(open_manager: RunningManager) -> None:
    offered = HANDSHAKE + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    with raw(open_manager, offered) as opened:
        head = opened.recv(65536).partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 101 ")
    assert b"sec-websocket-extensions" not in head


@each_row(
    ("head", "status"),
    [
        (UPGRADE.replace("GET", "POST"), 405),
        (UPGRADE.replace("Version: 13", "Version: 12"), 400),
        (UPGRADE.replace("Key: dGhl", "Key: !"), 400),
        (HANDSHAKE.replace("Sec-WebSocket-Key: ", "X: ") + "\r\n", 400),
        (HANDSHAKE + f"X: {'x' * 9000}\r\n\r\n", 431),
        (HANDSHAKE + "X: x\r\n" * 200 + "\r\n", 431),
        (UPGRADE.replace("/ws", "/ws?" + "x" * 9000), 414),
        (HANDSHAKE + "X: \x0b\r\n\r\n", 400),
        (HANDSHAKE + "Host: evil.test\r\n\r\n", 403),
        (UPGRADE.replace("/ws", "/none"), 403),
        (UPGRADE.replace("/ws", "/sessions"), 403),
        (UPGRADE.replace("/ws", "//ws"), 403),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_handshake_that_cannot_be_taken_is_answered_and_leaves_nothing(
    open_manager: RunningManager, head: str, status: int
) -> None:
    with raw(open_manager, head) as opened:
        assert int(read_to_the_end(opened).split()[1]) == status
    wait_for(lambda: count_of_sockets(open_manager) == 0, "its connection is let go")


def count_of_sockets(manager: RunningManager) -> int:
    """How many connections to it the manager has."""
    connections = psutil.Process(manager.pid).net_connections("inet")
    return sum(c.status not in (psutil.CONN_LISTEN, psutil.CONN_TIME_WAIT) for c in connections)


@each_row(
    ("origin", "authorization", "is_let_in"),
    [
        (None, "Bearer TOKEN", True),
        ("http://127.0.0.1:PORT", "Bearer TOKEN", True),
        (None, None, False),  # as every browser comes: it cannot send the token
        ("http://127.0.0.1:PORT", None, False),
        (None, "Bearer wrong", False),
        ("http://evil.test", "Bearer TOKEN", False),
        (PAGE, "Bearer TOKEN", False),
    ],
)
def test_where_a_token_is_asked_for_it_is_asked_of_websockets(
    manager: RunningManager, origin: str | None, authorization: str | None, is_let_in: bool
) -> None:
    headers = {}
    if authorization is not None:
        headers["Authorization"] = authorization.replace("TOKEN", manager.token)
    options: Any = {"origin": origin and origin.replace("PORT", str(manager.port))}
    if is_let_in:
        with page_of(manager, additional_headers=headers, **options) as page:
            assert page.next()["type"] == "init"
        return
    with (
        pytest.raises(InvalidStatus) as refused,
        page_of(manager, additional_headers=headers, **options),
    ):
        pass
    assert refused.value.response.status_code == 403


@each_row(
    ("origin", "is_let_in"),
    [
        (PAGE, True),
        (None, True),
        ("http://localhost:5174", False),
        ("http://evil.test", False),
        (PAGE + ".evil.test", False),
        ("null", False),
    ],
)
def test_page_of_another_origin_reads_where_it_was_allowed(
    open_manager: RunningManager, origin: Any, is_let_in: bool
) -> None:
    if is_let_in:
        headers = {"Sec-Fetch-Site": "cross-site"} if origin else {}
        with page_of(open_manager, origin=origin, additional_headers=headers) as page:
            assert page.next()["type"] == "init"
        return
    with pytest.raises(InvalidStatus) as refused, page_of(open_manager, origin=origin):
        pass
    assert refused.value.response.status_code == 403


def take_nothing(manager: RunningManager) -> socket.socket:
    """Connect, and read none of it; as little as possible fits in between."""
    return raw(manager, SO_RCVBUF=4096)


def fill(api: Api, session_id: str, megabytes: int) -> None:
    """More than fits between the manager and who takes nothing."""
    for n in range(megabytes):
        append(api, session_id, n, tool_output="x" * 1024 * 1024)


def test_reader_that_takes_nothing_is_cut_off_and_nobody_else_notices(
    own: RunningManager, own_api: Api
) -> None:
    send(own_api, "s", "session_start")
    with page_of(own) as page, take_nothing(own) as stalled:
        page.next()
        wait_for(lambda: count_of_sockets(own) == 3, "it is connected")
        followed: list[Frame] = []
        following = threading.Thread(
            target=lambda: followed.extend(
                page.until(lambda frame: frame.get("data", {}).get("n") == -1)
            )
        )
        following.start()
        fill(own_api, "s", 20)
        # Cut off without being read from: the other two stay.
        wait_for(lambda: count_of_sockets(own) == 2, "it is cut off")
        append(own_api, "s", -1)
        following.join(WATCHDOG_SECONDS)
        assert [event["n"] for event in events_in(followed, "s")] == [*range(20), -1]
        assert stalled.fileno() >= 0
    assert "a reader that took nothing was cut off" in own.log()


def test_send_buffer_keeps_a_reader_from_waiting_for_acknowledgements(own: RunningManager) -> None:
    with page_of(own) as page:
        segment = page.connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    assert segment <= SEND_BUFFER_BYTES


def test_reader_that_says_goodbye_and_takes_nothing_is_not_waited_for(
    own: RunningManager, own_api: Api
) -> None:
    send(own_api, "s", "session_start")
    with take_nothing(own) as stalled:
        wait_for(lambda: count_of_sockets(own) == 2, "it is connected")
        fill(own_api, "s", 8)
        stalled.sendall(GOODBYE)
        wait_for(lambda: count_of_sockets(own) == 1, "it is let go")


def test_manager_stops_in_time_whatever_its_readers_do(own: RunningManager, own_api: Api) -> None:
    send(own_api, "s", "session_start")
    with page_of(own) as page, take_nothing(own), take_nothing(own) as leaving:
        wait_for(lambda: count_of_sockets(own) == 4, "all are connected")
        fill(own_api, "s", 8)
        page.until(lambda frame: frame.get("data", {}).get("n") == 7)
        leaving.sendall(GOODBYE)
        own.process.send_signal(signal.SIGTERM)
        # It gives what is under way five seconds.
        assert own.process.wait(WATCHDOG_SECONDS) == 0
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                page.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


def test_stopping_manager_says_that_it_comes_back(own: RunningManager) -> None:
    with page_of(own) as page:
        page.next()
        own.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            page.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert own.process.wait(WATCHDOG_SECONDS) == 0
    own.restart()
    with page_of(own) as page:
        assert page.next()["type"] == "init"


class InnerReader:
    """A reader inside the manager's own process: it takes a frame when it is asked to.

    Once it is accepted, what there was at its beginning is read, and waits for it.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.accepted = asyncio.Event()
        self._sent = asyncio.Queue[Any](1)
        self._leave = asyncio.Event()
        self._said = iter([{"type": "websocket.connect"}])
        self.task = asyncio.create_task(self._run())

    async def next(self) -> Any:
        """The next message, a frame as what it says."""
        message = await self._sent.get()
        return json.loads(message["text"]) if "text" in message else message

    async def leave(self) -> None:
        self._leave.set()
        await self.task

    async def _run(self) -> None:
        scope = {"type": "websocket", "path": "/ws", "headers": [], "query_string": b""}
        await self._app(scope, self._receive, self._send)

    async def _send(self, message: Any) -> None:
        await self._sent.put(message)
        self.accepted.set()

    async def _receive(self) -> Any:
        message = next(self._said, None)
        if message is None:
            await self._leave.wait()
        return message or {"type": "websocket.disconnect", "code": 1000}


@asynccontextmanager
async def inner_manager(directory: Path) -> AsyncIterator[tuple[Manager, FastAPI]]:
    store = open_store(f"sqlite:///{directory / 'sessions.db'}", clock=now)
    async with Manager.open(store) as manager:
        yield manager, build_app(manager, instance="")


def test_readers_are_counted_with_all_others_and_refused_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MAX_READERS", 1)

    async def scenario() -> list[str]:
        async with inner_manager(tmp_path) as (_, app):
            first, second = InnerReader(app), InnerReader(app)
            said = [await first.next(), await second.next()]
            await second.task
            await first.leave()
            third = InnerReader(app)
            said.append(await third.next())
            await third.leave()
            return [message["type"] for message in said]

    assert run(scenario()) == ["websocket.accept", "websocket.close", "websocket.accept"]


def test_session_is_told_as_created_however_much_was_changed_since(tmp_path: Path) -> None:
    ids = [f"s{n}" for n in range(2 * feed.CHANGES_AT_ONCE)]

    async def scenario() -> list[tuple[str, str]]:
        async with inner_manager(tmp_path) as (manager, app):
            reader = InnerReader(app)
            await reader.accepted.wait()
            for session_id in ids:
                await manager.create_session(CreateSession(session_id=session_id, session_name="x"))
            await manager.update_session(UpdateSession(session_id=ids[0], session_name="y"))
            frames = [await reader.next() for _ in range(len(ids) + 2)]
            await reader.leave()
            assert frames[1] == {"type": "init", "sessions": []}
            return [(frame["type"], frame["session"]["session_id"]) for frame in frames[2:]]

    told = [("session_created", session_id) for session_id in [*ids[1:], ids[0]]]
    assert run(scenario()) == told


def test_changes_while_a_reader_is_held_are_one_update(tmp_path: Path) -> None:
    async def scenario() -> list[Frame]:
        async with inner_manager(tmp_path) as (manager, app):
            await manager.create_session(CreateSession(session_id="s", session_name="x"))
            reader = InnerReader(app)
            await reader.accepted.wait()
            for n in range(200):
                await manager.append("s", [NewEvent(event_type="x", fields={"n": n})])
            frames = [await reader.next() for _ in range(2 + 1 + 200)]
            await reader.leave()
            return frames[2:]

    update, *events = run(scenario())
    assert (update["type"], update["session"]["last_seq"]) == ("session_updated", 200)
    assert [event["data"]["n"] for event in events] == list(range(200))


def test_reader_that_missed_too_many_deletions_is_told_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "KEPT_DELETIONS", 0)

    async def scenario() -> Any:
        async with inner_manager(tmp_path) as (manager, app):
            reader = InnerReader(app)
            await reader.accepted.wait()
            for session_id in ("a", "b"):
                await manager.create_session(CreateSession(session_id=session_id, session_name="x"))
                await manager.delete_session(session_id)
            said = [await reader.next() for _ in range(3)]
            await reader.task
            return said

    _, init, closing = run(scenario())
    assert init == {"type": "init", "sessions": []}
    assert (closing["type"], closing["code"]) == ("websocket.close", 1013)


@asynccontextmanager
async def serving(
    talk: Callable[[WebSocket, WebSocketProtocol], Awaitable[None]], said: bytes
) -> AsyncIterator[asyncio.Future[None]]:
    """Serve one reader that says something once and takes nothing; yield how the talk ends.

    This is our protocol under a server of this process's own, which pings when it is told to.
    """
    done = asyncio.get_running_loop().create_future()
    accepted = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        accepted.set()
        (protocol,) = server.server_state.connections
        assert isinstance(protocol, WebSocketProtocol)
        try:
            await talk(websocket, protocol)
            done.set_result(None)
        except Exception as exc:  # it is the test's, and not the server's
            done.set_exception(exc)

    config = uvicorn.Config(
        app, lifespan="off", log_config=None, ws=WebSocketProtocol, ws_max_size=16,
        ws_ping_interval=None, ws_ping_timeout=0.1, ws_per_message_deflate=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as stalled:
        running = asyncio.create_task(server.serve([listening]))
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        port = listening.getsockname()[1]
        stalled.connect(("127.0.0.1", port))
        stalled.sendall(UPGRADE.format(port=port).encode())
        await accepted.wait()
        stalled.sendall(said)
        yield done
        server.should_exit = True
        await running


async def gone(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


def test_reader_that_answers_no_ping_is_cut_off_though_it_takes_nothing() -> None:
    """With so little on its way to it that the socket still counts as writable."""

    async def talk(websocket: WebSocket, protocol: WebSocketProtocol) -> None:
        assert protocol.transport.get_write_buffer_limits()[1] == HELD_BYTES
        while protocol.transport.get_write_buffer_size() == 0:
            await websocket.send_bytes(bytes(HELD_BYTES // 2))
        protocol.send_keepalive_ping()
        await gone(websocket)

    async def scenario() -> None:
        async with serving(talk, b"") as done:
            await done

    run(scenario())


def test_reader_that_has_broken_the_rules_counts_as_gone() -> None:
    async def talk(websocket: WebSocket, protocol: WebSocketProtocol) -> None:
        await gone(websocket)
        assert protocol.close_sent
        with pytest.raises(WebSocketDisconnect):
            await websocket.send_text("x")

    async def scenario() -> None:
        too_large = b"\x81\x91" + bytes(4 + 17)
        async with serving(talk, too_large) as done:
            await done

    run(scenario())

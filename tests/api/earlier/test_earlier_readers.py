"""Readers of the earlier system's WebSocket inside the manager's process, one frame at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from agent_session_manager.api.app import build_app
from agent_session_manager.domain.events.event import NewEvent
from agent_session_manager.feed import feed
from agent_session_manager.machine.clock import now
from agent_session_manager.manager.manager import Manager
from agent_session_manager.sql.store import open_store
from agent_session_manager.sql.write.derived import positions
from agent_session_manager.store.changes import CreateSession, UpdateSession
from tests.api.earlier.earlier_page import Frame
from tests.support.loops import run


class InnerReader:
    """A reader inside the manager's process. It takes one frame at each call of `next`.

    Once `accepted` is set, the initial frame was read and waits for it.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.accepted = asyncio.Event()
        self._sent = asyncio.Queue[Any](1)
        self._leave = asyncio.Event()
        self._said = iter([{"type": "websocket.connect"}])
        self.task = asyncio.create_task(self._run())

    async def next(self) -> Any:
        """Return the next message; a text frame as its parsed content."""
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


def test_websocket_readers_count_toward_the_reader_limit(
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


def test_session_changed_since_its_creation_is_sent_as_created(tmp_path: Path) -> None:
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


def test_changes_while_a_reader_waits_become_one_update(tmp_path: Path) -> None:
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


def test_reader_that_missed_deletions_gets_try_again_later(
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

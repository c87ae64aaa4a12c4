"""Requests to a run, from a fake manager on loopback."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any, cast

from agent_orchestrator.executors.base import Executor, RunSpec
from agent_orchestrator.runs.assignment import Assignment
from agent_orchestrator.runs.drive import StopOrder
from agent_orchestrator.runs.questions import Questions
from agent_orchestrator.runs.requests import Requests
from tests.support.loops import run
from tests.support.recording import Received, Reply, json_reply, recording


class RecordingExecutor:
    """An executor that records the messages that it receives."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def send(self, text: str, message_id: str) -> None:
        self.texts.append(text)


def test_repeated_request_is_executed_once() -> None:
    """A manager repeats a request after its database was restored to an earlier state."""
    request = {
        "request_id": "r",
        "run": 1,
        "kind": "message",
        "payload": {"text": "hint"},
        "state": "pending",
        "detail": None,
        "created_at": "2026-11-26T12:00:00Z",
        "settled_at": None,
    }
    settled: list[bytes] = []
    loops: list[asyncio.AbstractEventLoop] = []
    again = asyncio.Event()

    async def settle_twice(url: str, executor: RecordingExecutor) -> list[dict[str, Any]]:
        recorded: list[dict[str, Any]] = []
        assignment = Assignment(
            url=url,
            session_id="s",
            session_name="s",
            run=1,
            holder="h",
            term_seconds=45.0,
            prompt="",
            spec=RunSpec(executor="claude", project_dir=Path("/")),
            environment={},
        )
        requests = Requests(
            assignment,
            order=StopOrder(),
            executor=cast(Executor, executor),  # only `send` is used
            questions=Questions("deny", directory=Path("/"), record=recorded.append),
            record=recorded.append,
        )
        handling = asyncio.create_task(requests.serve())
        settled_twice = asyncio.create_task(again.wait())
        await asyncio.wait({handling, settled_twice}, return_when=asyncio.FIRST_COMPLETED)
        handling.cancel()
        await asyncio.wait({handling})
        assert handling.cancelled(), handling.exception()
        return recorded

    def answer(received: Received) -> Reply:
        if received.method == "GET":
            return json_reply({"requests": [request] if len(settled) < 2 else []})
        settled.append(received.body)
        if len(settled) == 2:
            loops[0].call_soon_threadsafe(again.set)
        return json_reply({"ok": True, "request": request})

    told = RecordingExecutor()

    async def whole() -> list[dict[str, Any]]:
        loops.append(asyncio.get_running_loop())
        with recording(answer) as server:
            return await settle_twice(server.url, told)

    recorded = run(whole())
    gc.collect()  # an unclosed connection fails this test
    assert told.texts == ["hint"]
    assert [event["role"] for event in recorded] == ["user"]
    assert settled[0] == settled[1]

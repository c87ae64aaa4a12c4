"""Requests to a run, from a fake manager on loopback."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from agent_orchestrator.executors.base import Executor
from agent_orchestrator.runs.assignment import Assignment
from agent_orchestrator.runs.supervision.drive import RunOutcome, StopOrder, beside
from agent_orchestrator.runs.supervision.notices import Notices
from agent_orchestrator.runs.supervision.questions import Questions
from agent_orchestrator.runs.supervision.requests import Requests
from tests.support.assignments import assignment_at
from tests.support.loops import run
from tests.support.recording import Received, Reply, json_reply, recording
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS


class RecordingExecutor:
    """An executor that records the messages that it receives."""

    def __init__(self, *, is_sure: bool = True) -> None:
        self._is_sure = is_sure
        self.texts: list[str] = []
        self.may_wait: bool | None = None

    async def send(self, text: str, message_id: str, *, may_wait: bool = True) -> bool:
        self.texts.append(text)
        self.may_wait = may_wait
        return self._is_sure


def no_notices() -> Notices:
    return Notices(None, is_automatic=False)


def request_of(kind: str, request_id: str = "r", **payload: Any) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "run": 1,
        "kind": kind,
        "payload": payload,
        "state": "pending",
        "detail": None,
        "created_at": "2026-11-26T12:00:00Z",
        "settled_at": None,
    }


def test_start_holds_up_no_stop_and_happens_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The manager sends the start again while it is under way, as after a restore."""
    begun: list[str] = []
    may_end = threading.Event()

    def carry_out(_: Assignment, request: dict[str, Any]) -> tuple[str, str]:
        begun.append(request["request_id"])
        assert may_end.wait(WATCHDOG_SECONDS)
        return "done", "child"

    monkeypatch.setattr("agent_orchestrator.runs.supervision.requests.carry_out", carry_out)
    settled: list[tuple[str, str, str | None]] = []
    loops: list[asyncio.AbstractEventLoop] = []
    is_settled = asyncio.Event()
    order = StopOrder()

    def answer(received: Received) -> Reply:
        if received.method == "GET":
            is_over = ("s", "done", "child") in settled
            both = [request_of("start", "s"), request_of("stop", "t")]
            return json_reply({"requests": [] if is_over else both})
        said = json.loads(received.body)
        settled.append((received.target.rpartition("/")[2], said["state"], said["detail"]))
        if [each[0] for each in settled].count("t") == 2:
            may_end.set()
        if settled[-1] == ("s", "done", "child"):
            loops[0].call_soon_threadsafe(is_settled.set)
        return json_reply({"ok": True, "request": request_of("start")})

    async def act() -> None:
        loops.append(asyncio.get_running_loop())
        with recording(answer) as server:
            requests = Requests(
                assignment_at(server.url, executor="claude"),
                order=order,
                executor=cast(Executor, RecordingExecutor()),
                questions=Questions("deny", directory=Path("/"), record=lambda _: None),
                notices=no_notices(),
                record=lambda _: None,
            )
            handling = asyncio.create_task(requests.serve())
            await is_settled.wait()
            handling.cancel()
            await asyncio.wait({handling})

    run(act())
    assert begun == ["s"]
    assert order.outcome is not None
    assert settled[:2] == [("s", "acknowledged", None), ("t", "acknowledged", None)]


def test_start_that_fails_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by what ends a thread: the agent waits for an answer."""

    def carry_out(_: Assignment, request: dict[str, Any]) -> tuple[str, str]:
        raise KeyError("a defect") if request["request_id"] == "a" else SystemExit(3)

    monkeypatch.setattr("agent_orchestrator.runs.supervision.requests.carry_out", carry_out)
    settled: dict[str, dict[str, Any]] = {}
    are_settled = threading.Event()

    def answer(received: Received) -> Reply:
        if received.method == "GET":
            starts = (
                [] if are_settled.is_set() else [request_of("start", "a"), request_of("start", "b")]
            )
            return json_reply({"requests": starts})
        said = json.loads(received.body)
        if said["state"] == "refused":
            settled[received.target.rpartition("/")[2]] = said
        if len(settled) == 2:
            are_settled.set()
        return json_reply({"ok": True, "request": request_of("start")})

    async def act() -> None:
        with recording(answer) as server:
            requests = Requests(
                assignment_at(server.url, executor="claude"),
                order=StopOrder(),
                executor=cast(Executor, RecordingExecutor()),
                questions=Questions("deny", directory=Path("/"), record=lambda _: None),
                notices=no_notices(),
                record=lambda _: None,
            )
            handling = asyncio.create_task(requests.serve())
            assert await asyncio.to_thread(are_settled.wait, WATCHDOG_SECONDS)
            handling.cancel()
            await asyncio.wait({handling})

    run(act())
    assert {key: each["detail"] for key, each in settled.items()} == {
        "a": "the supervisor failed: KeyError('a defect')",
        "b": "the supervisor failed: SystemExit(3)",
    }


def test_failure_beside_the_run_ends_the_run() -> None:
    async def fail() -> None:
        raise KeyError("a defect")

    async def act() -> RunOutcome | None:
        order = StopOrder()
        async with beside(fail(), order):
            await order.wait()
        return order.outcome

    outcome = run(act())
    assert outcome is not None and (outcome.reason, outcome.exit_code) == ("failed", 1)
    assert outcome.error == "defect in the supervisor: KeyError('a defect')"


@each_row("kind, is_sure", [("message", True), ("notice", True), ("notice", False)])
def test_repeated_request_is_executed_once(kind: str, is_sure: bool) -> None:
    """A manager repeats a request after its database was restored to an earlier state."""
    request = request_of(kind, text="hint")
    settled: list[bytes] = []
    loops: list[asyncio.AbstractEventLoop] = []
    again = asyncio.Event()

    async def settle_twice(url: str, executor: RecordingExecutor) -> list[dict[str, Any]]:
        recorded: list[dict[str, Any]] = []
        requests = Requests(
            assignment_at(url, executor="claude"),
            order=StopOrder(),
            executor=cast(Executor, executor),  # only `send` is used
            questions=Questions("deny", directory=Path("/"), record=recorded.append),
            notices=no_notices(),
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

    told = RecordingExecutor(is_sure=is_sure)

    async def whole() -> list[dict[str, Any]]:
        loops.append(asyncio.get_running_loop())
        with recording(answer) as server:
            return await settle_twice(server.url, told)

    recorded = run(whole())
    gc.collect()  # an unclosed connection fails this test
    assert told.texts == ["hint"]
    (event,) = recorded
    assert event["role"] == "user"
    is_notice = kind == "notice"
    assert told.may_wait is not is_notice
    assert (event["event_id"] == "r") is is_notice  # so it is stored once
    assert event.get("origin") == ("notice" if is_notice else None)
    assert event.get("notice_batch") == ("r" if is_notice and is_sure else None)
    assert settled[0] == settled[1]


@each_row(
    "outcome, expected",
    [
        (("done", None), ("acknowledged", None)),
        (("refused", "timed out at noon"), ("refused", "timed out at noon")),
    ],
)
def test_answer_is_done_only_with_the_event_of_its_decision(
    outcome: tuple[str, str | None], expected: tuple[str, str | None]
) -> None:
    """The manager settles it then. Until it has the event, the session waits."""
    settled: list[dict[str, Any]] = []
    loops: list[asyncio.AbstractEventLoop] = []
    is_settled = asyncio.Event()

    class Answered:
        def answer(self, *_: object) -> tuple[str, str | None]:
            return outcome

    def answer(received: Received) -> Reply:
        if received.method == "GET":
            return json_reply({"requests": [] if settled else [request_of("answer")]})
        settled.append(json.loads(received.body))
        loops[0].call_soon_threadsafe(is_settled.set)
        return json_reply({"ok": True, "request": request_of("answer")})

    async def act() -> None:
        loops.append(asyncio.get_running_loop())
        with recording(answer) as server:
            requests = Requests(
                assignment_at(server.url, executor="claude"),
                order=StopOrder(),
                executor=cast(Executor, RecordingExecutor()),
                questions=cast(Questions, Answered()),
                notices=no_notices(),
                record=lambda _: None,
            )
            handling = asyncio.create_task(requests.serve())
            await is_settled.wait()
            handling.cancel()
            await asyncio.wait({handling})

    run(act())
    assert [(each["state"], each["detail"]) for each in settled] == [expected]

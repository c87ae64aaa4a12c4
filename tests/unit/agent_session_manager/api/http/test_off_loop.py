"""Bodies at the limits: the tests count steps and turns of the event loop instead of time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent_session_manager.api.app import build_app
from agent_session_manager.api.http.body import MAX_BODY_BYTES
from agent_session_manager.api.http.off_loop import GivenUpError, Pause, Turns, in_thread
from agent_session_manager.domain.sessions.run_token import RunCaller
from agent_session_manager.machine.clock import now
from agent_session_manager.manager.manager import Manager
from agent_session_manager.sql.store import open_store
from agent_shared.masking import MAX_NAMES, STEPS_AT_ONCE, Effort, Masking
from agent_shared.masking_rules import RULES
from tests.support.asgi import asked

ANCHORS = sorted({anchor for rule in RULES for anchor in rule.anchors or (".",)})


def texts(anchor: str, size: int) -> Iterator[str]:
    """Yield texts in which a rule starts at every place and finds a match, none, or a late one."""
    for piece in (
        anchor,
        f"{anchor}a1B2c3D4e5 ",
        f'{anchor}="{"a1" * 200}',
        f"{anchor}{'a.' * 30}",
    ):
        yield piece * (size // len(piece))


def steps_of(value: Any) -> int:
    effort = Effort()
    Masking(effort=effort).value(value)
    return effort.steps


def test_steps_of_masking_are_linear_in_the_body() -> None:
    few, many = 1_000, 4_000
    for anchor in ANCHORS:
        for small, large in zip(texts(anchor, few), texts(anchor, many), strict=True):
            assert steps_of(large) <= 4 * (steps_of(small) + 10), (anchor, small[:40])
            assert steps_of(large) <= many, (anchor, small[:40])
        names = [{f"{anchor}{n}": "a1b2C3d4" for n in range(count)} for count in (200, 800)]
        assert steps_of(names[1]) <= 4 * (steps_of(names[0]) + 10), anchor


def test_values_of_names_past_the_limit_are_always_masked() -> None:
    masked = Masking().value({f"password{n}": "not a secret" for n in range(MAX_NAMES + 1)})
    assert set(masked.values()) == {"not a secret"}
    effort = Effort()
    value = {f"password{n}": "just-words" for n in range(MAX_NAMES + 2)} | {"other": "just-words"}
    masked = list(Masking(effort=effort).value(value).values())
    assert masked[:MAX_NAMES] == ["just-words"] * MAX_NAMES
    assert masked[MAX_NAMES:] == ["[masked: assigned-secret]"] * 2 + ["just-words"]


def hostile_values() -> Iterator[Any]:
    """Yield large values that make masking as expensive as possible."""
    yield {f"passw{n:06d}": "a1b2C3d4" for n in range(MAX_NAMES + 500)}
    yield "passw=a1b2C3d4 " * 6_000
    yield "eyJ" * 25_000
    yield [f"{n:08d}" for n in range(8_000)] + ["".join(ANCHORS) + "@"]


ROUTES: dict[tuple[str, str], Any] = {
    ("POST", "/sessions"): lambda value: {
        "session_id": "new", "session_name": "n", "spec": {"v": value}
    },
    ("POST", "/sessions/s/runs"): lambda value: {"takeover": True, "spec": {"v": value}},
    ("POST", "/sessions/s/events"): lambda value: {"event_type": "x", "v": value},
    ("POST", "/events"): lambda value: {
        "event_type": "x", "session_id": "s", "session_name": "s", "timestamp": "t", "v": value
    },
}  # fmt: skip


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts its turns."""

    turns = 0

    def _run_once(self) -> None:
        self.turns += 1
        super()._run_once()  # type: ignore[misc]


async def turns_until_answered(app: Any, method: str, path: str, body: bytes) -> int:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, CountingLoop)
    before = loop.turns
    answer = await asked(app, method, path, body)
    assert answer.status in (200, 201, 409), (path, answer)
    return loop.turns - before


def test_event_loop_runs_while_a_body_is_masked(tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(_post_hostile_bodies(tmp_path))


async def _post_hostile_bodies(directory: Path) -> None:
    store = open_store(f"sqlite:///{directory / 'sessions.db'}", clock=now)
    async with Manager.open(store) as manager:
        app = build_app(manager, instance="i", token="t" * 43)
        await asked(app, "POST", "/sessions", b'{"session_id":"s","session_name":"s"}')
        routes = list(ROUTES.items())
        for value in hostile_values():
            effort = Effort()
            Masking(effort=effort).value(value)
            assert effort.steps > 4 * STEPS_AT_ONCE
            for (method, path), make in routes:
                body = json.dumps(make(value), separators=(",", ":")).encode()
                assert len(body) <= MAX_BODY_BYTES
                turns = await turns_until_answered(app, method, path, body)
                assert turns >= effort.steps // (2 * STEPS_AT_ONCE), (path, turns, effort.steps)
            routes = routes[:1]  # all routes mask one value, and one route masks all


def test_caller_with_many_bodies_does_not_block_others() -> None:
    order: list[str] = []
    callers = [RunCaller(session_id=name, session_number=n, run=1) for n, name in enumerate("ab")]

    async def take(turns: Turns, caller: RunCaller) -> None:
        async with turns.taken_by(caller):
            order.append(caller.session_id)
            await asyncio.sleep(0)

    async def take_all() -> None:
        turns = Turns()
        many = [take(turns, callers[0]) for _ in range(4)]
        await asyncio.gather(*many, take(turns, callers[1]))

    asyncio.run(take_all())
    assert order.index("b") == 1


def test_thread_stops_when_its_task_is_cancelled() -> None:
    asyncio.run(_cancel_task())


async def _cancel_task() -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    began = asyncio.Event()

    def work(pause: Pause) -> None:
        loop.call_soon_threadsafe(began.set)
        try:
            while True:
                pause()
        except GivenUpError:
            loop.call_soon_threadsafe(ended.set_result, None)
            raise

    task = asyncio.create_task(in_thread(work))
    await began.wait()
    task.cancel()
    await ended

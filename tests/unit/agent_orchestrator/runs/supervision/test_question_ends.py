"""Open questions at the end of their run, and everything that can end one at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from itertools import permutations

import pytest

from agent_orchestrator.events.event import Event
from agent_orchestrator.events.prepare import create_event
from agent_orchestrator.executors.questions import Verdict
from agent_orchestrator.runs.supervision.drive import StopOrder, drive
from tests.support.loops import SteppedLoop, run, run_stepped
from tests.unit.agent_orchestrator.runs.supervision.asked_questions import Scene


class AskingExecutor:
    """An executor whose agent asks two questions and does not stop while one is open."""

    def __init__(self, scene: Scene, *, ends: bool) -> None:
        self._scene = scene
        self._ends = ends
        self.open = asyncio.Event()
        self.decisions: list[Verdict] = []
        self.had_when_stopped: list[Verdict] = []

    async def run(self, prompt: str) -> AsyncGenerator[Event, None]:
        yield create_event("message", role="user")
        asking = [await self._scene.ask() for _ in range(2)]
        for task in asking:
            task.add_done_callback(lambda done: self.decisions.append(done.result().verdict))
        self.open.set()
        try:
            await (asyncio.sleep(0) if self._ends else asyncio.Event().wait())
        except asyncio.CancelledError:
            await asyncio.wait(asking)  # hangs here if a question is still open
            self.had_when_stopped = [*self.decisions]
            raise
        yield create_event("session_stop", reason="completed", exit_code=0)

    async def send(self, text: str, message_id: str, *, may_wait: bool = True) -> bool:
        raise NotImplementedError


@pytest.mark.parametrize("ends", [False, True], ids=["stopped", "ended"])
def test_end_of_the_run_cancels_open_questions_first(ends: bool) -> None:
    async def act() -> AskingExecutor:
        executor = AskingExecutor(scene, ends=ends)
        order = StopOrder()
        driving = asyncio.ensure_future(
            drive(executor, "", scene.events.append, order=order, questions=scene.questions)
        )
        await executor.open.wait()
        if not ends:
            order.stop()
        await driving
        late = await (await scene.ask())
        assert late.verdict is Verdict.CANCELLED
        return executor

    scene = Scene()
    executor = run(act())
    assert executor.decisions == [Verdict.CANCELLED] * 2
    assert executor.had_when_stopped == ([] if ends else [Verdict.CANCELLED] * 2)
    types = [event["event_type"] for event in scene.events]
    assert types[-3:] == ["permission_decided", "permission_decided", "session_stop"]
    assert [event["decision"] for event in scene.decided] == ["cancelled"] * 2


def test_answer_time_out_and_stop_at_once_give_one_decision() -> None:
    """Answers, the stop and the withdrawal come in every order, at the time limit or before."""

    async def play(loop: SteppedLoop, order: tuple[int, ...], *, is_early: bool) -> str:
        scene = Scene("10")
        asking = await scene.ask()
        settled: list[str] = []

        def answer(choice: str) -> None:
            settled.append(scene.answer(choice=choice)[0])

        acts: list[Callable[[], object]] = [
            lambda: answer("allow"),
            lambda: answer("deny"),
            lambda: loop.call_soon(answer, "allow"),
            scene.questions.end,
            asking.cancel,
        ]
        chosen = [acts[index] for index in order]
        loop.call_at(loop.time() + 10, lambda: [act() for act in chosen])
        if is_early:
            loop.call_soon(lambda: [act() for act in chosen])
        await loop.advance(10)
        await asyncio.wait({asking})
        assert len(scene.decided) == 1
        decided = scene.decided[0]["decision"]
        assert settled.count("done") == (decided in ("allow", "deny"))
        if not asking.cancelled():
            assert asking.result().verdict == decided
        return str(decided)

    async def whole(loop: SteppedLoop) -> list[str]:
        orders = [order for length in (1, 2, 3) for order in permutations(range(5), length)]
        return [
            await play(loop, order, is_early=is_early)
            for order in orders
            for is_early in (False, True)
        ]

    decided = run_stepped(whole)
    assert {"allow", "deny", "timed_out", "cancelled"} <= set(decided)

"""The notifier, with a monotonic time that the test moves."""

from __future__ import annotations

from collections.abc import Collection

from agent_session_manager.background.notifier import SWEEP_SECONDS, Notifier
from agent_session_manager.domain.notice import Due
from agent_session_manager.machine.clock import Time
from tests.support.loops import run


class Waiting:
    """Notices that wait, and what the notifier did about them."""

    def __init__(self) -> None:
        self.changes = 0
        self.due = Due(running=[], ended=[], is_gathering=False)
        self.looks = 0
        self.offered: list[str] = []
        self.woken: list[str] = []

    async def find_due(self) -> Due:
        self.looks += 1
        return self.due

    async def offer(self, session_id: str) -> None:
        self.changes += 1
        self.offered.append(session_id)

    def wake(self, session_ids: Collection[str]) -> None:
        self.woken += session_ids


class SteppedTime(Time):
    """A monotonic time that moves only when the test moves it."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed


def test_notifier_offers_to_open_runs_and_wakes_others() -> None:
    waiting = Waiting()
    waiting.due = Due(running=["a", "b"], ended=["c"], is_gathering=False)
    run(Notifier(waiting, time=SteppedTime()).tick())
    assert (waiting.offered, waiting.woken) == (["a", "b"], ["c"])


def test_notifier_looks_only_after_a_change_or_at_a_sweep() -> None:
    waiting, time = Waiting(), SteppedTime()
    notifier = Notifier(waiting, time=time)

    def looks_after(seconds: float, *, changes: int = 0) -> int:
        before = waiting.looks
        time.passed += seconds
        waiting.changes += changes
        run(notifier.tick())
        return waiting.looks - before

    assert looks_after(1) == 1  # at the start: another manager may have stopped
    assert looks_after(1) == 0
    assert looks_after(1, changes=1) == 1
    waiting.due = Due(running=[], ended=[], is_gathering=True)
    assert looks_after(1, changes=1) == 1
    assert looks_after(1) == 1  # the window has no change of its own
    waiting.due = Due(running=[], ended=[], is_gathering=False)
    assert looks_after(1) == 1
    assert looks_after(SWEEP_SECONDS - 1) == 0
    assert looks_after(1) == 1

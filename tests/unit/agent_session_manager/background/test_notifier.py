"""The notifier, with a monotonic time that the test moves."""

from __future__ import annotations

from unittest.mock import Mock

from agent_session_manager.background.notifier import SWEEP_SECONDS, Notifier
from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.concurrency.wakeups import Wakeups
from agent_session_manager.concurrency.writer import Writer
from agent_session_manager.domain.sessions.notice import Due
from agent_session_manager.machine.clock import Time
from agent_session_manager.manager.notices import Notices
from tests.support.loops import run


class Waiting(Notices):
    """Notices that wait, what the notifier did about them, and the real wakeups."""

    def __init__(self) -> None:
        self.wakeups = Wakeups()
        super().__init__(Mock(Writer), Mock(Reader), self.wakeups)
        self.due = Due(running=[], ended=[], is_gathering=False)
        self.looks = 0
        self.offered: list[str] = []

    async def find_due(self) -> Due:
        self.looks += 1
        return self.due

    async def offer(self, session_id: str) -> None:
        self.wakeups.notify([session_id])
        self.offered.append(session_id)


class SteppedTime(Time):
    """A monotonic time that moves only when the test moves it."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed


def test_notifier_offers_to_open_runs_and_wakes_others() -> None:
    waiting = Waiting()
    waiting.due = Due(running=["a", "b"], ended=["c"], is_gathering=False)
    with waiting.wakeups.subscribe("c") as woken:
        run(Notifier(waiting, time=SteppedTime()).tick())
    assert waiting.offered == ["a", "b"]
    assert woken.is_set()


def test_session_without_a_waiting_supervisor_costs_one_look() -> None:
    waiting = Waiting()
    waiting.due = Due(running=[], ended=["c"], is_gathering=False)
    notifier = Notifier(waiting, time=SteppedTime())
    with waiting.wakeups.subscribe(None) as woken:
        run(notifier.tick())
        run(notifier.tick())
    assert (waiting.looks, woken.is_set()) == (1, False)


def test_notifier_looks_only_after_a_change_or_at_a_sweep() -> None:
    waiting, time = Waiting(), SteppedTime()
    notifier = Notifier(waiting, time=time)

    def looks_after(seconds: float, *, changes: int = 0) -> int:
        before = waiting.looks
        time.passed += seconds
        for _ in range(changes):
            waiting.wakeups.notify(None)
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

"""Rate limit of refused tokens: up to 20 in any minute."""

from __future__ import annotations

from agent_session_manager.api.guard.throttle import Failures
from agent_session_manager.api.wire.limits import MAX_FAILURES, WINDOW_SECONDS
from tests.support.rows import each_row


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def count(failures: Failures, times: int) -> list[bool]:
    return [failures.add() for _ in range(times)]


def test_budget_is_twenty_failures() -> None:
    failures = Failures(monotonic=Clock())
    assert count(failures, 25) == [True] * 20 + [False] * 5


@each_row("tries", [1, 1000])
def test_budget_is_full_again_one_minute_after_exhaustion(
    tries: int,
) -> None:
    clock = Clock()
    failures = Failures(monotonic=clock)
    count(failures, MAX_FAILURES)
    clock.now += WINDOW_SECONDS - 0.1
    assert not any(count(failures, tries))
    clock.now += 0.1
    assert count(failures, MAX_FAILURES + 1) == [True] * MAX_FAILURES + [False]


def test_no_minute_exceeds_the_budget() -> None:
    clock = Clock()
    failures = Failures(monotonic=clock)
    counted_at = []
    for _ in range(1000):
        clock.now += 0.5
        if failures.add():
            counted_at.append(clock.now)
    assert len(counted_at) > 2 * MAX_FAILURES
    for first, later in zip(counted_at, counted_at[MAX_FAILURES:], strict=False):
        assert later - first >= WINDOW_SECONDS

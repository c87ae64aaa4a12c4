from __future__ import annotations

from agent_orchestrator.machine.clock import Backoff


def pauses_after(failures: int) -> list[float]:
    backoff = Backoff(2.0)
    for _ in range(failures):
        backoff.fail()
    return [backoff.pause_seconds() for _ in range(200)]


def test_pause_grows_to_a_limit_and_differs_for_each_client() -> None:
    pauses = [pauses_after(failures) for failures in (0, 3, 10_000)]
    limits = [max(drawn) for drawn in pauses]
    assert limits[0] <= 0.1 < limits[1] <= 0.8 < limits[2] <= 2.0
    assert all(len(set(drawn)) > 100 for drawn in pauses)


def test_pause_is_short_again_after_a_success() -> None:
    backoff = Backoff(2.0)
    for _ in range(10):
        backoff.fail()
    backoff.succeed()
    assert backoff.pause_seconds() <= 0.1

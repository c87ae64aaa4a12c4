"""Background tasks that fail: they are logged, and begin again."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from agent_session_manager.background.tasks import RETRY_SECONDS, kept_running
from agent_session_manager.machine.clock import Time
from tests.support.loops import run


def test_failed_task_begins_again(caplog: pytest.LogCaptureFixture) -> None:
    begun: list[int] = []
    slept: list[float] = []

    async def work() -> None:
        begun.append(len(begun))
        if len(begun) < 3:
            raise KeyError("a defect")

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    time = Time(clock=lambda: datetime.now(UTC), monotonic=lambda: 0.0, sleep=sleep)
    with caplog.at_level(logging.ERROR):
        run(kept_running("reaper", work, time))
    assert begun == [0, 1, 2] and slept == [RETRY_SECONDS] * 2
    assert [record.getMessage() for record in caplog.records] == [
        "the background task 'reaper' failed, and begins again"
    ] * 2

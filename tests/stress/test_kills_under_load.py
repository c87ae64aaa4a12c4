"""A manager that is killed under many writers and one follower: acknowledged events remain."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import pytest

from agent_session_manager.sql.care.verify import verify
from tests.support.campaign import Campaign, spread
from tests.support.load import stored_events
from tests.support.manager import PROGRAM, RunningManager
from tests.support.producing import Producers, check_order, producing

pytestmark = pytest.mark.stress

PRODUCERS = 8
BACK_SECONDS = 3.0
"""Limit of the median time from a manager's start to its first acknowledgement. It applies to long
campaigns only, because a short campaign shares the machine with other tests."""


@dataclass(frozen=True, kw_only=True)
class Killed:
    """The results of the kills of one manager."""

    starting: int
    acknowledged: int
    resent: int
    connections: int
    back: list[float]


def killed_and_back(manager: RunningManager, producers: Producers) -> float:
    """Kill and restart; return the seconds from the start to the first acknowledgement."""
    manager.kill()
    started_at = time.monotonic()
    manager.restart()
    return producers.wait_for_one_after(started_at) - started_at


def kill_while_it_starts(manager: RunningManager, seconds: float) -> None:
    manager.kill()
    with suppress(subprocess.TimeoutExpired):
        manager.spawn().wait(seconds)
    manager.kill()


def kill_often(campaign: Campaign, manager: RunningManager, count: int, chance: Random) -> Killed:
    """Kill the manager `count` times under load, and check its whole record afterwards."""
    token = manager.token
    back: list[float] = []
    starting = 0
    with producing(manager, "s", count=PRODUCERS) as (producers, follower):
        for number in range(count):
            campaign.pause(chance, 0.02, 0.5)
            if number % 10 == 2:
                kill_while_it_starts(manager, chance.uniform(0, 1.5))
                starting += 1
            back.append(killed_and_back(manager, producers))
    assert manager.token == token
    came = follower.wait()
    stored = stored_events(manager, "s")
    stop = stored.pop(max(stored))
    assert stop not in producers.acknowledged
    assert stored == {seq: event_id for event_id, seq in producers.acknowledged.items()}
    check_order(stored)
    assert came == list(range(1, len(stored) + 2))
    assert producers.refused == []
    assert manager.stop() == 0
    contents, problems = verify(manager.state_dir / "sessions.db")
    assert problems == []
    assert contents is not None and contents.events == len(stored) + 1
    return Killed(
        starting=starting,
        acknowledged=len(stored),
        resent=producers.resent,
        connections=follower.connections,
        back=back,
    )


def test_acknowledged_events_survive_kills_once_in_order(
    campaign: Campaign, start_manager: Callable[..., RunningManager]
) -> None:
    count = campaign.count(short=2, long=1000)
    program = (PROGRAM,) if campaign.is_long else ()  # only there its start is measured
    managers = [start_manager(program=program) for _ in range(campaign.count(short=1, long=2))]

    def play(number: int) -> Killed:
        return kill_often(
            campaign, managers[number], count // len(managers), campaign.chance(number)
        )

    played = campaign.rounds(play, len(managers))
    back = [seconds for each in played for seconds in each.back]
    campaign.tell(
        f"{count} kills under {PRODUCERS} producers, {sum(each.starting for each in played)} more "
        f"during startup: {sum(each.acknowledged for each in played)} acknowledged, 0 lost, "
        f"0 duplicates, 0 out of order; seed {campaign.seed!r}"
    )
    campaign.tell(
        f"{sum(each.resent for each in played)} were sent again; the follower connected "
        f"{sum(each.connections for each in played)} times: 0 gaps, 0 repeats; integrity ok"
    )
    campaign.tell(f"from the start to the first acknowledgement: {spread(back)}")
    campaign.limit("its median, in seconds", statistics.median(back), BACK_SECONDS)

"""A manager that is killed while many write and one follows: what was acknowledged is there."""

from __future__ import annotations

import statistics
import subprocess
import time
from contextlib import suppress

import pytest

from agent_session_manager.store.verify import verify
from tests.stress.scene import Scene
from tests.support.campaign import Campaign, spread
from tests.support.load import stored_events
from tests.support.producing import Producers, check_order, producing

pytestmark = pytest.mark.stress

PRODUCERS = 8
BACK_SECONDS = 3.0
"""From the start of a manager to what it acknowledges first, by the median of a long campaign: that
has the machine to itself, and a short one shares it with other tests."""


def killed_and_back(scene: Scene, producers: Producers) -> float:
    """How long it takes from the start of the next manager until it has acknowledged something."""
    scene.manager.kill()
    started_at = time.monotonic()
    scene.manager.restart()
    return producers.wait_for_one_after(started_at) - started_at


def kill_while_it_starts(scene: Scene, seconds: float) -> None:
    scene.manager.kill()
    with suppress(subprocess.TimeoutExpired):
        scene.manager.spawn().wait(seconds)
    scene.manager.kill()


@pytest.mark.timeout(120)
def test_what_was_acknowledged_outlives_every_kill_once_and_in_order(
    campaign: Campaign, scene: Scene
) -> None:
    count = campaign.count(short=4, long=1000)
    chance = campaign.chance()
    token = scene.manager.token
    back: list[float] = []
    starting = 0
    with producing(scene.manager, "s", count=PRODUCERS) as (producers, follower):
        for number in range(count):
            time.sleep(chance.uniform(0.02, 0.5))  # the moment of the kill is left to chance
            if number % 10 == 3:
                kill_while_it_starts(scene, chance.uniform(0, 1.5))
                starting += 1
            back.append(killed_and_back(scene, producers))
    assert scene.manager.token == token
    came = follower.wait()
    stored = stored_events(scene.manager, "s")
    stop = stored.pop(max(stored))
    assert stop not in producers.acknowledged
    assert stored == {seq: event_id for event_id, seq in producers.acknowledged.items()}
    check_order(stored)
    assert came == list(range(1, len(stored) + 2))
    assert producers.refused == []
    assert scene.manager.stop() == 0
    contents, problems = verify(scene.state_dir / "sessions.db")
    assert problems == []
    assert contents is not None and contents.events == len(stored) + 1
    campaign.tell(
        f"{count} kills under {PRODUCERS} producers, {starting} more while it started: "
        f"{len(stored)} acknowledged, 0 lost, 0 doubled, 0 out of order; seed {campaign.seed!r}"
    )
    campaign.tell(
        f"{producers.resent} were sent again; the follower came back {follower.connections} times: "
        "0 gaps, 0 repeats; integrity ok"
    )
    campaign.tell(f"from the start to what was acknowledged first: {spread(back)}")
    if campaign.is_long:
        assert statistics.median(back) <= BACK_SECONDS

"""Several managers on one PostgreSQL: readers of each see the commits of all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.support.api import Api
from tests.support.campaign import Campaign
from tests.support.manager import RunningManager
from tests.support.streams import seqs_in, streaming
from tests.support.waiting import WATCHDOG_SECONDS

pytestmark = pytest.mark.xdist_group("postgresql")

EVENTS = "/sessions/s/events"
WRITERS = 4


@pytest.fixture
def two(
    postgresql_url: str, start_manager: Callable[..., RunningManager]
) -> Iterator[tuple[RunningManager, RunningManager]]:
    arguments = ["--database-url", postgresql_url]
    first, second = (start_manager(arguments=arguments) for _ in range(2))
    yield first, second
    for manager in (first, second):
        assert manager.stop() == 0, manager.log()


@pytest.mark.stress
def test_followers_at_two_managers_see_events_of_both(
    campaign: Campaign, two: tuple[RunningManager, RunningManager]
) -> None:
    count = campaign.count(short=100, long=10_000)
    with Api(two[0]) as api:
        api.post("/sessions", {"session_id": "s", "session_name": "s"})

    begun = Barrier(3)

    def follow(manager: RunningManager) -> list[int]:
        with streaming(manager, EVENTS) as stream, streaming(manager, "/sessions") as every:
            assert every.next().name == "ready"
            begun.wait(WATCHDOG_SECONDS)
            frames = stream.rest()
            assert frames[-1].name == "end"
            assert every.next().data["session"]["session_id"] == "s"
            return seqs_in(frames)

    def write(number: int) -> None:
        with Api(two[number % 2]) as api:
            for _ in range(count // WRITERS):
                assert api.post(EVENTS, {"event_type": "some"}).status == 201

    with ThreadPoolExecutor(2 + WRITERS) as threads:
        following = [threads.submit(follow, manager) for manager in two]
        begun.wait(WATCHDOG_SECONDS)
        list(threads.map(write, range(WRITERS)))
        with Api(two[1]) as api:
            api.post(EVENTS, {"event_type": "session_stop"})
        for follower in following:
            assert follower.result(WATCHDOG_SECONDS) == list(range(1, count + 2))
    campaign.tell(f"{count} events at two managers on one PostgreSQL: both followers got all")


def test_request_wakes_a_poll_at_another_manager(
    two: tuple[RunningManager, RunningManager],
) -> None:
    here, there = two
    requests = "/sessions/s/runs/1/requests"
    with Api(here) as api, Api(there) as other, ThreadPoolExecutor(1) as threads:
        api.post("/sessions", {"session_id": "s", "session_name": "s"})
        waiting = threads.submit(api.get, f"{requests}?state=pending&wait=25")
        assert other.post(requests, {"request_id": "r", "kind": "stop"}).status == 201
        (found,) = waiting.result(WATCHDOG_SECONDS).json["requests"]
    assert found["request_id"] == "r"

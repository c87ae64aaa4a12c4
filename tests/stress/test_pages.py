"""Pages of the earlier system that never read, and the stop of a manager under load."""

from __future__ import annotations

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psutil
import pytest

from agent_session_manager.sql.care.verify import verify
from tests.stress.scene import Scene
from tests.support.api import Api
from tests.support.campaign import Campaign
from tests.support.load import Load
from tests.support.manager import RunningManager
from tests.support.pages import open_page_that_takes_nothing, page_frames
from tests.support.streams import streaming, was_cut
from tests.support.tables import ids_in
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

pytestmark = pytest.mark.stress

MAX_GROWTH_BYTES = 100 * 1024 * 1024
MAX_P99_SECONDS = 0.2
MAX_STOP_SECONDS = 6.0
EVENTS_PATH = "/sessions/s/events"
WRITERS = 4


def create(api: Api) -> None:
    assert api.post("/sessions", {"session_id": "s", "session_name": "s"}).status == 201


def test_stalled_pages_do_not_affect_others(campaign: Campaign, scene: Scene) -> None:
    manager = scene.manager
    count = campaign.count(short=20, long=1000)
    events = campaign.count(short=200, long=2000)
    live_count = campaign.count(short=3, long=10)
    ready = threading.Barrier(live_count + 1)

    def read_all(_: int) -> list[int]:
        with page_frames(manager, seconds=WATCHDOG_SECONDS) as frames:
            assert next(frames)["type"] == "init"
            ready.wait(WATCHDOG_SECONDS)
            numbers: list[int] = []
            while len(numbers) < events:
                frame = next(frames)
                if frame["type"] == "event":
                    numbers.append(frame["data"]["number"])
            return numbers

    with Api(manager) as api, ExitStack() as stack, ThreadPoolExecutor(live_count) as threads:
        create(api)
        live = [threads.submit(read_all, number) for number in range(live_count)]
        ready.wait(WATCHDOG_SECONDS)
        process = psutil.Process(manager.pid)
        before = largest = process.memory_info().rss
        stalled = [stack.enter_context(open_page_that_takes_nothing(manager)) for _ in range(count)]
        took: list[float] = []
        for number in range(events):
            event = {"event_type": "some", "text": "x" * 4000, "number": number}
            began_at = time.monotonic()
            assert api.post(EVENTS_PATH, event).status == 201
            took.append(time.monotonic() - began_at)
            if number % 20 == 0:
                assert api.get("/sessions/s").status == 200
                largest = max(largest, process.memory_info().rss)
        for reader in live:
            assert reader.result(WATCHDOG_SECONDS) == list(range(events))
        written_at = time.monotonic()
        wait_for(
            lambda: manager.log().count("a stalled reader was disconnected") >= count or None,
            "all stalled pages are cut off",
            every=0.1,
        )
        cut = time.monotonic() - written_at
        largest = max(largest, process.memory_info().rss)
        wait_for(lambda: sum(map(was_cut, stalled)) == count, "the stalled connections are closed")
    p99 = statistics.quantiles(took, n=100)[98]
    campaign.tell(f"{count} stalled pages, {live_count} that read: no gap, no repeat")
    campaign.tell(
        f"memory {(largest - before) / 2**20:+.0f} MiB; p99 of appends {p99 * 1000:.0f} ms"
    )
    campaign.tell(f"all stalled pages cut off {cut:.1f} s after the last event")
    assert largest - before <= MAX_GROWTH_BYTES
    campaign.limit("p99 of appends during the test, in seconds", p99, MAX_P99_SECONDS)


def test_stop_under_load_keeps_acknowledged_events(campaign: Campaign) -> None:
    readers = campaign.count(short=8, long=100)
    took, acknowledged = [], 0
    for number in range(campaign.count(short=1, long=100)):
        manager = RunningManager(campaign.directory / f"manager-{number}")
        with Api(manager) as api, ExitStack() as stack:
            create(api)
            for _ in range(readers):
                stream = stack.enter_context(streaming(manager, EVENTS_PATH))
                assert stream.next().name == "session"
                stack.enter_context(open_page_that_takes_nothing(manager))
            load = Load(manager, "s", WRITERS)
            load.start()
            load.wait_until_acknowledged(20)
            began = time.monotonic()
            assert manager.stop() == 0
            took.append(time.monotonic() - began)
            load.end()
        database = manager.state_dir / "sessions.db"
        assert set(load.acknowledged) <= ids_in(database)
        assert verify(database)[1] == []
        assert {status for status in load.refused if status != 503} == set()
        acknowledged += len(load.acknowledged)
    campaign.tell(
        f"{len(took)} stops under load with {readers} streams and {readers} pages: exit code 0, "
        f"0 of {acknowledged} acknowledged events lost, at most {max(took):.2f} s"
    )
    campaign.limit("the slowest stop, in seconds", max(took), MAX_STOP_SECONDS)

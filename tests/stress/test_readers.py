"""Readers of a feed that never read, and the stop of a manager with many readers."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psutil
import pytest

from tests.stress.scene import Scene
from tests.support.api import Api
from tests.support.campaign import Campaign
from tests.support.impatient import shorten_deadlines
from tests.support.manager import RunningManager
from tests.support.streams import open_and_take_nothing, seqs_in, streaming, was_cut
from tests.support.unlimited import remove_limits
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

pytestmark = pytest.mark.stress

ALL_BYTES = 2_000_000
"""Size of the texts of all events, which no socket can buffer for a stalled reader."""
MAX_GROWTH_BYTES = 100 * 1024 * 1024
STREAMS = 200
MAX_STOP_SECONDS = 6.0
EVENTS_PATH = "/sessions/s/events"


def create(api: Api) -> None:
    assert api.post("/sessions", {"session_id": "s", "session_name": "s"}).status == 201


def memory_of(manager: RunningManager) -> int:
    return int(psutil.Process(manager.pid).memory_info().rss)


def test_stalled_readers_do_not_affect_others(campaign: Campaign, scene: Scene) -> None:
    manager = scene.manager
    count = campaign.count(short=30, long=1000)
    posts = campaign.count(short=40, long=200)
    live_count = campaign.count(short=3, long=10)
    text = "x" * (ALL_BYTES // posts // 10)

    def read_all(_: int) -> list[int]:
        with streaming(manager, EVENTS_PATH) as stream:
            return seqs_in(stream.rest())

    with Api(manager) as api, ExitStack() as stack, ThreadPoolExecutor(live_count) as threads:
        create(api)
        before = memory_of(manager)
        stalled = [
            stack.enter_context(open_and_take_nothing(manager, EVENTS_PATH)) for _ in range(count)
        ]
        live = [threads.submit(read_all, number) for number in range(live_count)]
        slowest, largest = 0.0, 0
        for number in range(posts):
            events = [{"event_type": "some", "text": text, "number": number}] * 10
            began = time.monotonic()
            assert api.post(EVENTS_PATH, events).status == 201
            slowest = max(slowest, time.monotonic() - began)
            largest = max(largest, memory_of(manager))
        assert api.post(EVENTS_PATH, {"event_type": "session_stop"}).status == 201
        for reader in live:
            assert reader.result(WATCHDOG_SECONDS) == list(range(1, posts * 10 + 2))
        cut = manager.log().count("was disconnected")
        wait_for(
            lambda: manager.log().count("was disconnected") == count or None,
            "all stalled readers are cut off",
        )
        largest = max(largest, memory_of(manager))
        wait_for(
            lambda: sum(map(was_cut, stalled)) == count,  # this also drains each connection
            "the stalled connections are closed",
        )
    campaign.tell(f"{count} stalled readers, {live_count} that read: no gap, no repeat")
    campaign.tell(f"memory: {(largest - before) / 2**20:+.0f} MiB; {cut} cut off before the end")
    campaign.tell(f"slowest append of 10 events: {slowest * 1000:.0f} ms")
    assert largest - before <= MAX_GROWTH_BYTES


def test_only_deadlines_cut_off_stalled_readers(campaign: Campaign) -> None:
    """Compare a manager with short deadlines, which cuts off all, with one without deadlines."""
    changes = (shorten_deadlines, remove_limits)
    cutting, keeping = (
        RunningManager(campaign.directory / f"manager-{number}", prepare=change)
        for number, change in enumerate(changes)
    )
    try:
        with ExitStack() as stack:
            stalled: dict[RunningManager, list[socket.socket]] = {}
            for manager in (keeping, cutting):
                with Api(manager) as api:
                    create(api)
                    stalled[manager] = [
                        stack.enter_context(open_and_take_nothing(manager, EVENTS_PATH))
                        for _ in range(20)
                    ]
                    events = [{"event_type": "some", "text": "x" * 10_000}] * 10
                    for _ in range(ALL_BYTES // 100_000):
                        assert api.post(EVENTS_PATH, events).status == 201
            wait_for(
                lambda: cutting.log().count("was disconnected") == len(stalled[cutting]),
                "all stalled readers are cut off",  # before `was_cut`, which reads from them
            )
            wait_for(lambda: all(map(was_cut, stalled[cutting])), "the connections are closed")
            assert "was disconnected" not in keeping.log()
            assert not any(map(was_cut, stalled[keeping]))
    finally:
        cutting.kill()
        keeping.kill()


def test_manager_stops_quickly_with_many_open_streams(campaign: Campaign) -> None:
    took = []
    streams = campaign.count(short=20, long=STREAMS)
    for number in range(campaign.count(short=1, long=20)):
        manager = RunningManager(campaign.directory / f"manager-{number}")
        with Api(manager) as api, ExitStack() as stack:
            create(api)
            for each in range(streams):
                target = EVENTS_PATH if each % 2 else "/sessions"
                stream = stack.enter_context(streaming(manager, target))
                assert stream.next().name in ("session", "ready")
            began = time.monotonic()
            assert manager.stop() == 0
            took.append(time.monotonic() - began)
    campaign.tell(f"stopped with {streams} open streams in at most {max(took):.2f} s")
    campaign.limit("the slowest stop, in seconds", max(took), MAX_STOP_SECONDS)

"""The page about the way of an event names the modules that an event passes, in their order."""

from __future__ import annotations

import re
import signal
from functools import partial
from pathlib import Path

from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.streams import streaming
from tests.support.traced import trace_calls
from tests.support.waiting import wait_for

PAGE = Path(__file__).parents[3] / "docs/explanation/the-way-of-an-event.md"
STOP = re.compile(r"^\| `([\w/]+\.py)` \|", re.MULTILINE)


def test_event_passes_the_stops_of_the_page_in_their_order(tmp_path: Path) -> None:
    written = tmp_path / "calls"
    manager = RunningManager(tmp_path / "manager", prepare=partial(trace_calls, written))
    try:
        with Api(manager) as api:
            new = {"session_id": "x", "session_name": "x"}
            assert api.post("/sessions", new).status == 201
            with streaming(manager, "/sessions/x/events?follow=forever") as stream:
                assert stream.next().name == "session"
                manager.process.send_signal(signal.SIGUSR1)
                wait_for(written.with_suffix(".begun").exists, "the manager traces its calls")
                assert api.post("/sessions/x/events", {"event_type": "noted"}).status == 201
                while stream.next().name != "event":
                    pass
                manager.process.send_signal(signal.SIGUSR1)
                wait_for(written.exists, "the manager has written its calls")
    finally:
        manager.kill()
    stops = STOP.findall(PAGE.read_text())
    passed = iter(written.read_text().splitlines())
    # A search in the iterator begins behind the stop before.
    not_passed = [stop for stop in stops if stop not in passed]
    assert (len(stops), not_passed) == (21, [])

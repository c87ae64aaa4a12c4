"""Sending the items of an import: names, requests, and the threads that send."""

from __future__ import annotations

import os
import signal
import sys
import threading
from functools import partial
from traceback import walk_stack

import pytest

from agent_orchestrator.history.importer.delivery.outlet import LANES, MAX_WAITING_BYTES, Outlet
from agent_orchestrator.history.importer.sources.parts import Parts, name_of
from agent_orchestrator.history.items import ModelRequest, Title, TitleRank
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS, wait_for


def test_jobs_of_a_key_run_in_order_beside_those_of_others() -> None:
    ran: dict[str, list[int]] = {}
    meeting = threading.Barrier(2, timeout=WATCHDOG_SECONDS)
    keys = [str(number) for number in range(40)]
    lanes = {hash(key) % LANES: key for key in keys}
    assert len(lanes) > 1
    with Outlet() as outlet:
        for number in range(5):
            for key in keys:
                outlet.put(partial(ran.setdefault(key, []).append, number), key=key, size=1)
        for key in list(lanes.values())[:2]:  # both wait until the other one runs
            outlet.put(meeting.wait, key=key, size=1)
    assert ran == dict.fromkeys(keys, [0, 1, 2, 3, 4])


def test_reader_waits_while_much_is_waiting() -> None:
    gate = threading.Event()
    ran: list[int] = []
    with Outlet() as outlet:
        outlet.put(partial(gate.wait, WATCHDOG_SECONDS), key="a", size=1)
        outlet.put(partial(ran.append, 1), key="a", size=MAX_WAITING_BYTES)
        reader = threading.Thread(
            target=lambda: outlet.put(partial(ran.append, 2), key="b", size=MAX_WAITING_BYTES)
        )
        reader.start()
        assert outlet.waiting_bytes <= MAX_WAITING_BYTES
        gate.set()
        reader.join(WATCHDOG_SECONDS)
    assert ran == [1, 2]


def test_failure_of_a_job_drops_the_others_and_is_raised() -> None:
    ran: list[int] = []

    def fail() -> None:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"), Outlet() as outlet:
        outlet.put(fail, key="a", size=MAX_WAITING_BYTES)
        outlet.put(partial(ran.append, 1), key="a", size=MAX_WAITING_BYTES)
        outlet.put(partial(ran.append, 2), key="a", size=MAX_WAITING_BYTES)
    assert not ran


def test_interrupt_waits_for_the_jobs_that_run() -> None:
    """The record has the items that a job has sent, so the report must count them."""
    ran: list[str] = []
    left, interrupted = threading.Event(), threading.Event()
    reader = threading.get_ident()

    def on_interrupt(*_: object) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    def is_beyond_the_interrupt() -> bool:
        calls = names_of_calls(reader)
        is_handled = interrupted.is_set() and "on_interrupt" not in calls
        return is_handled and ("_join" in calls or left.is_set())

    def interrupt() -> None:
        wait_for(lambda: "_join" in names_of_calls(reader), "the reader waits")
        os.kill(os.getpid(), signal.SIGINT)
        wait_for(is_beyond_the_interrupt, "the reader waits again, or has left")
        ran.append("interrupted")

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        with pytest.raises(KeyboardInterrupt), Outlet() as outlet:
            outlet.put(interrupt, key="a", size=1)
            outlet.put(partial(ran.append, "dropped"), key="a", size=1)
        done = [*ran]
        left.set()
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["interrupted"]


def names_of_calls(thread: int) -> set[str]:
    """Return the names of the functions that a thread is in."""
    return {frame.f_code.co_name for frame, _ in walk_stack(sys._current_frames()[thread])}


def test_request_that_several_lines_report_is_sent_once() -> None:
    parts = Parts()
    times = [None, "2026-03-01T10:00:00.000Z", "2026-03-01T10:00:01.000Z", None]
    for output, moment in [*((1, each) for each in times), (2, times[2]), (2, None)]:
        parts.add(
            ModelRequest(
                session_id="s",
                key="claude:m",
                counts={"output_tokens": output},
                occurred_at=moment,
            )
        )
    (part,) = parts.take()
    sent = [(each["counts"]["output_tokens"], each.get("occurred_at")) for each in part.requests]
    assert sent == [(1, None), (1, times[1]), (2, times[2])]


@each_row(
    ("text", "name"),
    [
        ("Fix the login", "Fix the login"),
        ("word " * 16 + "more", "word " * 15 + "word…"),
        ("x" * 100, "x" * 79 + "…"),
        ("Please, " + "y" * 100, "Please, " + "y" * 71 + "…"),
        ("Read this: " + "a bcd, " * 20, "Read this: " + "a bcd, " * 9 + "a…"),
        ("line\n\n  two\u200b", "line two"),
    ],
)
def test_name_of_a_prompt_is_one_short_line_of_whole_words(text: str, name: str) -> None:
    assert name_of(Title(TitleRank.PROMPT, text)) == name
    assert len(name) <= 80

"""Delivery of an outbox to a fake manager: its answers, and the events that result."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.outbox.attempts import UndeliveredError
from agent_orchestrator.outbox.outbox import Outbox, OutboxError
from agent_orchestrator.runs.delivery import delivery_of
from tests.support.recording import Received, Reply, refused_url, silent_server
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS, wait_for
from tests.unit.agent_orchestrator.runs.fake_manager import (
    GENERATION,
    NO_PATIENCE,
    PATIENCE_SECONDS,
    Events,
    refusing,
    sending,
)
from tests.unit.agent_orchestrator.runs.outboxes import fill, make_outbox, refused, waiting


def test_events_are_sent_in_order_and_removed_once_stored(outbox: Outbox) -> None:
    events = Events()
    fill(outbox, *range(1, 1201))
    with sending(events) as manager:
        delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
    assert events.stored == list(range(1, 1201))
    assert [len(request) for request in events.requests] == [500, 500, 200]
    assert (waiting(outbox), refused(outbox)) == ([], [])


def test_successful_delivery_sends_only_appends(outbox: Outbox) -> None:
    events = Events()
    with sending(events) as manager:
        for number in range(1, 4):
            fill(outbox, number)
            delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
    assert (events.requests, events.looks) == ([[1], [2], [3]], 0)


@each_row("reached, generation", product(range(4), [GENERATION, "02"]))
def test_lost_events_are_sent_before_new_events(
    tmp_path: Path, reached: int, generation: str
) -> None:
    """The manager loses the events right after it has confirmed them."""
    events = Events()
    with sending(events) as manager, make_outbox(tmp_path / "s.1.db") as outbox:
        for number in (1, 2, 3):
            fill(outbox, number)
            delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
        del events.stored[reached:]
        events.generation = generation
        fill(outbox, 4)
        delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
        fill(outbox, 5)
        delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
        assert events.stored == [1, 2, 3, 4, 5]
        assert (waiting(outbox), refused(outbox)) == ([], [])


def test_next_delivery_sends_lost_events_again(tmp_path: Path) -> None:
    events = Events()
    path = tmp_path / "s.1.db"
    with sending(events) as manager:
        with make_outbox(path) as outbox:
            fill(outbox, 1, 2)
            delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
            fill(outbox, 3)
        events.stored.clear()
        with Outbox(path) as outbox:
            delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
    assert events.stored == [1, 2, 3]


def test_stop_during_a_delivery_ends_its_retries(outbox: Outbox) -> None:
    """Events that the manager accepts at once are still sent."""
    away = threading.Event()
    events = Events()

    def answer(received: Received) -> Reply | None:
        away.set()
        return refusing(503, "store_unavailable")([])

    fill(outbox, 1, 2)
    with sending(answer) as manager:
        delivery = delivery_of(manager, outbox)
        delivery.start()
        assert away.wait(60)
        delivery.hurry()
        delivery.finish()
    assert (waiting(outbox), outbox.is_given_up) == ([1, 2], True)
    with sending(events) as manager:
        delivery = delivery_of(manager, outbox)
        delivery.hurry()
        delivery.start()
        delivery.finish()
    assert events.stored == [1, 2]


def test_event_with_a_lost_answer_is_resent_and_stored_once(outbox: Outbox) -> None:
    def lose_the_answer(sent: list[int]) -> None:
        events.store(sent)

    events = Events([lose_the_answer])
    fill(outbox, 1, 2)
    with sending(events) as manager:
        delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
    assert (events.requests, events.stored) == ([[1, 2]] * 2, [1, 2])


def test_silent_manager_is_given_up_after_the_patience(outbox: Outbox) -> None:
    fill(outbox, 1)
    with (
        silent_server() as url,
        ManagerClient(url, timeout=0.1) as manager,
        pytest.raises(UndeliveredError, match=url),
    ):
        delivery_of(manager, outbox, patience_seconds=NO_PATIENCE).deliver()
    assert waiting(outbox) == [1]


def test_outbox_is_unchanged_if_the_manager_is_away(outbox: Outbox) -> None:
    fill(outbox, 1, 2)
    with refused_url() as url, ManagerClient(url) as manager, pytest.raises(UndeliveredError):
        delivery_of(manager, outbox, patience_seconds=NO_PATIENCE).deliver()
    assert (waiting(outbox), refused(outbox)) == ([1, 2], [])


def test_delivery_continues_during_the_run_to_the_last_event(outbox: Outbox) -> None:
    events = Events()
    with sending(events) as manager:
        delivery = delivery_of(manager, outbox)
        delivery.start()
        for number in range(1, 21):
            fill(outbox, number)
            wait_for(lambda: outbox.count_waiting() == 0, "the event is delivered")
        fill(outbox, *range(21, 41))
        delivery.finish()
    assert events.stored == list(range(1, 41))
    assert outbox.count_waiting() == 0


def test_delivery_of_an_empty_outbox_finishes_at_once(outbox: Outbox) -> None:
    with sending(Events()) as manager:
        delivery = delivery_of(manager, outbox)
        delivery.start()
        delivery.finish()


def test_events_added_by_many_threads_all_arrive_once(outbox: Outbox) -> None:
    events = Events()
    with sending(events) as manager:
        delivery = delivery_of(manager, outbox)
        delivery.start()
        adding = [
            threading.Thread(target=fill, args=(outbox, *range(start, start + 50)))
            for start in (0, 100, 200, 300)
        ]
        for thread in adding:
            thread.start()
        for thread in adding:
            thread.join(WATCHDOG_SECONDS)
        delivery.finish()
    assert sorted(events.stored) == [
        n for start in (0, 100, 200, 300) for n in range(start, start + 50)
    ]
    for start in (0, 100, 200, 300):
        own = [number for number in events.stored if start <= number < start + 100]
        assert own == sorted(own)


def test_delivery_ends_with_a_log_message_if_the_disk_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = make_outbox(tmp_path / "s.1.db")
    with closing(sqlite3.connect(outbox.path)) as vandal:
        vandal.execute("DROP TABLE waiting")
    with sending(Events()) as manager:
        delivery = delivery_of(manager, outbox)
        delivery.start()
        delivery.finish()
    assert f"items stay in {outbox.path}" in caplog.text
    with pytest.raises(OutboxError):
        outbox.close()

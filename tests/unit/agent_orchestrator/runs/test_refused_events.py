"""Delivery of events that the manager refuses, for a time or for good."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent_orchestrator.outbox.attempts import UndeliveredError
from agent_orchestrator.outbox.outbox import Outbox
from agent_orchestrator.runs.delivery import delivery_of
from agent_orchestrator.session_client import SessionClientError
from agent_orchestrator.transcripts.mirror import OutboxAppends
from tests.support.documented import documented_errors
from tests.support.moved_time import MovedTime
from tests.support.recording import Received, Reply, json_reply
from tests.support.rows import each_row
from tests.unit.agent_orchestrator.runs.fake_manager import (
    NO_PATIENCE,
    PATIENCE_SECONDS,
    Answer,
    Events,
    refusing,
    sending,
    silent,
    stored,
)
from tests.unit.agent_orchestrator.runs.outboxes import fill, make_outbox, refused, waiting


@each_row(
    "name, answer",
    [
        ("503", refusing(503, "store_unavailable")),
        ("overloaded", refusing(503, "overloaded")),
        ("429", refusing(429, "slow_down")),
        ("401", refusing(401, "unauthorized")),
        ("403", refusing(403, "host_not_allowed")),
        ("unknown 500", refusing(500, "unheard_of")),
        ("no answer", silent),
        # Not from a manager, whose errors always have a code.
        ("404 of another server", refusing(404, None)),
        ("422 of another server", refusing(422, None)),
        ("405 of another server", lambda _: Reply(status=405, body=b"<p>")),
        ("redirect of a proxy", lambda _: Reply(status=302, body=b"")),
        ("page of a proxy", lambda _: Reply(status=200, body=b"<p>Log in")),
        ("another shape", lambda _: json_reply({"hello": 1})),
    ],
    ids=str,
)
def test_temporary_failure_is_retried_until_it_passes(
    tmp_path: Path, name: str, answer: Answer
) -> None:
    events = Events([answer])
    with make_outbox(tmp_path / "s.1.db") as outbox:
        fill(outbox, 1, 2)
        with sending(events) as manager:
            delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
        assert events.requests == [[1, 2]] * 2
        assert events.stored == [1, 2]
        assert (waiting(outbox), refused(outbox)) == ([], [])


PASSES = {
    *(
        "unauthorized",
        "code_not_valid",
        "host_not_allowed",
        "origin_not_allowed",
        "page_token_unknown",
        "too_many_failures",
    ),
    *("store_unavailable", "overloaded", "timed_out", "disk_full", "event_damaged"),
}
OF_THE_SESSION = {"session_not_found", "not_for_runs"}
OTHERWISE = {"run_token_unknown", "record_behind"}
"""Codes that other tests cover."""
UNKNOWN_CODES = {(status, f"new_{status}") for status in (400, 402, 403, 404, 409, 418, 422, 451)}
END = 4


@dataclass
class Course:
    """Result of a delivery of the events 1, 2, 3 and END if event 2 is refused."""

    stored: list[int]
    refused: list[int]
    waiting: list[int]


class Poisoned(Events):
    """A manager that refuses event 2 with the current `refusal`."""

    refusal: tuple[int, str]

    def __call__(self, received: Received) -> Reply | None:
        has_poison = received.method == "POST" and b'"2"' in received.body
        return refusing(*self.refusal)([]) if has_poison else super().__call__(received)


def test_permanent_refusal_does_not_block_the_runs_end(tmp_path: Path) -> None:
    """Tries every error code of this manager and of later ones; only temporary errors are retried.

    The refused event alone is put aside; the events that were sent with it are stored.
    """
    expected, found = {}, {}
    events = Poisoned()
    with sending(events) as manager:
        for status, code in sorted({*documented_errors(), *UNKNOWN_CODES}):
            if code in OTHERWISE:
                continue
            course = Course([1, 3, END], [2], [])
            if code in PASSES:
                course = Course([], [], [1, 2, 3, END])
            elif code in OF_THE_SESSION:
                course = Course([], [1, 2, 3, END], [])
            expected[code] = course
            events.refusal, events.stored = (status, code), []
            with make_outbox(tmp_path / f"{code}.db") as outbox:
                fill(outbox, 1, 2, 3, END)
                delivery = delivery_of(manager, outbox, patience_seconds=60, time=MovedTime())
                with suppress(UndeliveredError):
                    delivery.deliver()
                found[code] = Course(events.stored, refused(outbox), waiting(outbox))
    assert found == expected


def test_refused_event_is_found_with_few_requests(outbox: Outbox) -> None:
    def answer(received: Received) -> Reply | None:
        reply = events(received)
        return refusing(422, "invalid_event")([]) if 3 in events.requests[-1] else reply

    events = Events()
    fill(outbox, *range(1, 6))
    with sending(answer) as manager:
        delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
    assert events.requests == [[1, 2, 3, 4, 5], [1, 2], [3, 4, 5], [3], [4, 5]]
    (poison,) = outbox.list_refused()
    assert poison.item["event_id"] == "3"
    assert "422 no" in poison.reason
    assert waiting(outbox) == []


def test_outage_during_a_refused_batch_keeps_the_order(outbox: Outbox) -> None:
    no, away = refusing(422, "invalid_event"), refusing(503, "store_unavailable")
    # The requests: all four, the first half, 1 alone, 2 alone, and the second half.
    events = Events([no, no, stored, no, away])
    fill(outbox, 1, 2, 3, 4)
    with sending(events) as manager:
        with pytest.raises(UndeliveredError):
            delivery_of(manager, outbox, patience_seconds=NO_PATIENCE).deliver()
        assert (events.stored, refused(outbox), waiting(outbox)) == ([1], [2], [3, 4])
        delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
    assert (events.stored, refused(outbox), waiting(outbox)) == ([1, 3, 4], [2], [])


def test_outbox_is_unchanged_if_the_run_token_has_expired(
    tmp_path: Path,
) -> None:
    """No event is put aside, because the next command has another token."""
    events = Events([refusing(401, "run_token_unknown")])
    outbox = make_outbox(tmp_path / "s.1.db")
    fill(outbox, 1, 2)
    with sending(events) as manager:
        delivery = delivery_of(manager, outbox)
        delivery.start()
        delivery.finish()
        with pytest.raises(SessionClientError):
            OutboxAppends(outbox).drain()
    assert (events.requests, waiting(outbox), refused(outbox)) == ([[1, 2]], [1, 2], [])
    outbox.close()

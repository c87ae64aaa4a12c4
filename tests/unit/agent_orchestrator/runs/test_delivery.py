"""Delivery to a loopback server of the test's own: what it answers, and what becomes of events."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.outbox.attempts import UndeliveredError
from agent_orchestrator.outbox.files import list_outboxes
from agent_orchestrator.outbox.outbox import Outbox, OutboxError, Run
from agent_orchestrator.runs.delivery import deliver_leftovers, delivery_of
from agent_orchestrator.session_client import SessionClientError
from agent_orchestrator.transcripts.mirror import OutboxAppends
from tests.support.documented import documented_errors
from tests.support.moved_time import MovedTime
from tests.support.recording import (
    Received,
    RecordingServer,
    Reply,
    json_reply,
    recording,
    refused_url,
    silent_server,
)
from tests.support.rows import each_row
from tests.support.waiting import wait_for

PATIENCE_SECONDS = 20.0
"""More than any delivery takes here: where it would be needed, the test fails."""
NO_PATIENCE = 1e-9
GENERATION = "01"

SESSION = {
    **{"session_id": "s", "session_name": "s", "status": "running", "run": 1},
    **dict.fromkeys(("project_dir", "agent_name", "executor", "parent_session_id", "archived_at")),
    **dict.fromkeys(("reason", "host", "lease")),
    **dict.fromkeys(("started_at", "last_activity_at"), "2026-11-26T12:00:00Z"),
}

Answer = Callable[[list[int]], Reply | None]
"""What to say to a request that brings these events."""


class Events:
    """A manager's events of one session: those it has said it has, and what it was sent."""

    def __init__(self, answers: Sequence[Answer] = ()) -> None:
        self.requests: list[list[int]] = []
        self.stored: list[int] = []
        self.revoked: list[str] = []
        """Of which runs it is to refuse the tokens from now on."""
        self.generation = GENERATION
        self.looks = 0
        self._answers = list(answers)

    def __call__(self, received: Received) -> Reply | None:
        path, _, query = received.target.partition("?")
        if received.method == "DELETE":
            self.revoked.append(received.target)
            return json_reply({"ok": True})
        if (received.method, path) == ("GET", "/sessions/s"):
            self.looks += 1
            known = {"generation": self.generation, "last_seq": len(self.stored)}
            return json_reply({"ok": True, "session": {**SESSION, **known}})
        assert (received.method, path) == ("POST", "/sessions/s/events")
        generation, seq = parse_qs(query)["known"][0].split(":")
        if generation != self.generation or int(seq) > len(self.stored):
            return refusing(409, "record_behind")([])
        sent = [int(event["event_id"]) for event in json.loads(received.body)]
        self.requests.append(sent)
        if self._answers:
            reply = self._answers.pop(0)(sent)
            if reply is None or reply.status != 201:
                return reply
        return self.store(sent)

    def store(self, sent: list[int]) -> Reply:
        self.stored += [number for number in sent if number not in self.stored]
        return json_reply({"ok": True, "seqs": [self.stored.index(n) + 1 for n in sent]}, 201)


def refusing(status: int, code: str | None) -> Answer:
    body = {"detail": "no", **({"code": code} if code else {})}
    return lambda _sent: json_reply(body, status)


def silent(_sent: list[int]) -> None:
    """Hang up."""


def stored(_sent: list[int]) -> Reply:
    return Reply(status=201)


@contextmanager
def sending(answer: Callable[[Received], Reply | None]) -> Iterator[ManagerClient]:
    with recording(answer) as server, client_of(server) as manager:
        yield manager


def client_of(server: RecordingServer) -> ManagerClient:
    return ManagerClient(server.url, timeout=5.0)


def fill(outbox: Outbox, *numbers: int) -> None:
    for number in numbers:
        outbox.add({"event_type": "x", "event_id": str(number)})


def waiting(outbox: Outbox) -> list[int]:
    return [int(each.item["event_id"]) for each in outbox.next_batch()]


def refused(outbox: Outbox) -> list[int]:
    return [int(each.item["event_id"]) for each in outbox.list_refused()]


def make_outbox(path: Path, url: str = "http://127.0.0.1:1", **fields: Any) -> Outbox:
    run = {"session_id": "s", "run": 1, "url": url, "cursor": f"{GENERATION}:0", **fields}
    return Outbox(path, Run(**run))


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with make_outbox(tmp_path / "s.1.db") as opened:
        yield opened


def test_events_are_sent_in_order_and_forgotten_once_they_are_stored(outbox: Outbox) -> None:
    events = Events()
    fill(outbox, *range(1, 1201))
    with sending(events) as manager:
        delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
    assert events.stored == list(range(1, 1201))
    assert [len(request) for request in events.requests] == [500, 500, 200]
    assert (waiting(outbox), refused(outbox)) == ([], [])


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
        # Not by a manager: it always names what it refuses.
        ("404 of a stranger", refusing(404, None)),
        ("422 of a stranger", refusing(422, None)),
        ("405 of a stranger", lambda _: Reply(status=405, body=b"<p>")),
        ("redirect of a proxy", lambda _: Reply(status=302, body=b"")),
        ("page of a proxy", lambda _: Reply(status=200, body=b"<p>Log in")),
        ("another shape", lambda _: json_reply({"hello": 1})),
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again_until_it_has(
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
"""What has tests of its own."""
UNHEARD_OF = {(status, f"new_{status}") for status in (400, 402, 403, 404, 409, 418, 422, 451)}
END = 4


@dataclass
class Course:
    """How a delivery of 1, 2, 3 and the run's end has gone, of which 2 is refused."""

    stored: list[int]
    refused: list[int]
    waiting: list[int]


class Poisoned(Events):
    """A manager that refuses 2, in a way of its own each time."""

    refusal: tuple[int, str]

    def __call__(self, received: Received) -> Reply | None:
        has_poison = received.method == "POST" and b'"2"' in received.body
        return refusing(*self.refusal)([]) if has_poison else super().__call__(received)


def test_nothing_that_is_refused_for_good_stands_before_the_runs_end(tmp_path: Path) -> None:
    """Whatever the manager can say, and whatever a later one may: only what passes is waited for.

    It is put aside alone, and what came with it is stored.
    """
    expected, found = {}, {}
    events = Poisoned()
    with sending(events) as manager:
        for status, code in sorted({*documented_errors(), *UNHEARD_OF}):
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


def test_good_delivery_sends_nothing_but_appends(outbox: Outbox) -> None:
    events = Events()
    with sending(events) as manager:
        for number in range(1, 4):
            fill(outbox, number)
            delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
    assert (events.requests, events.looks) == ([[1], [2], [3]], 0)


@each_row("reached, generation", product(range(4), [GENERATION, "02"]))
def test_what_was_lost_comes_before_what_is_new(
    tmp_path: Path, reached: int, generation: str
) -> None:
    """At once after it was answered for, as a fast machine can do it."""
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


def test_what_was_lost_is_known_by_who_delivers_next(tmp_path: Path) -> None:
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


def test_stop_while_it_is_delivered_ends_the_patience(outbox: Outbox) -> None:
    """What the manager takes at once is still sent."""
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


def test_outage_amid_a_list_that_was_refused_leaves_the_rest_in_order(outbox: Outbox) -> None:
    no, away = refusing(422, "invalid_event"), refusing(503, "store_unavailable")
    # All four; the first half, of which the second; and then the second half.
    events = Events([no, no, stored, no, away])
    fill(outbox, 1, 2, 3, 4)
    with sending(events) as manager:
        with pytest.raises(UndeliveredError):
            delivery_of(manager, outbox, patience_seconds=NO_PATIENCE).deliver()
        assert (events.stored, refused(outbox), waiting(outbox)) == ([1], [2], [3, 4])
        delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
    assert (events.stored, refused(outbox), waiting(outbox)) == ([1, 3, 4], [2], [])


def test_event_whose_answer_was_lost_is_sent_again_and_counts_once(outbox: Outbox) -> None:
    def lose_the_answer(sent: list[int]) -> None:
        events.store(sent)

    events = Events([lose_the_answer])
    fill(outbox, 1, 2)
    with sending(events) as manager:
        delivery_of(manager, outbox, patience_seconds=PATIENCE_SECONDS).deliver()
    assert (events.requests, events.stored) == ([[1, 2]] * 2, [1, 2])


def test_manager_that_says_nothing_is_given_up_with_the_patience(outbox: Outbox) -> None:
    fill(outbox, 1)
    with (
        silent_server() as url,
        ManagerClient(url, timeout=0.1) as manager,
        pytest.raises(UndeliveredError, match=url),
    ):
        delivery_of(manager, outbox, patience_seconds=NO_PATIENCE).deliver()
    assert waiting(outbox) == [1]


def test_manager_that_is_away_leaves_everything_where_it_is(outbox: Outbox) -> None:
    fill(outbox, 1, 2)
    with refused_url() as url, ManagerClient(url) as manager, pytest.raises(UndeliveredError):
        delivery_of(manager, outbox, patience_seconds=NO_PATIENCE).deliver()
    assert (waiting(outbox), refused(outbox)) == ([1, 2], [])


def test_delivery_goes_on_beside_the_run_and_finishes_with_the_last_event(outbox: Outbox) -> None:
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


def test_delivery_of_nothing_finishes_at_once(outbox: Outbox) -> None:
    with sending(Events()) as manager:
        delivery = delivery_of(manager, outbox)
        delivery.start()
        delivery.finish()


def test_events_that_are_added_by_many_threads_all_arrive_once(outbox: Outbox) -> None:
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
            thread.join(10)
        delivery.finish()
    assert sorted(events.stored) == [
        n for start in (0, 100, 200, 300) for n in range(start, start + 50)
    ]
    for start in (0, 100, 200, 300):
        own = [number for number in events.stored if start <= number < start + 100]
        assert own == sorted(own)


def test_delivery_ends_when_the_disk_fails_and_says_so(
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


def test_delivery_with_a_token_that_is_not_valid_any_more_leaves_everything_where_it_is(
    tmp_path: Path,
) -> None:
    """Nothing of it is put aside: the next command has a token of its own."""
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


def leave(directory: Path, name: str, url: str, *numbers: int) -> Path:
    """What a supervisor that died has left."""
    path = directory / f"{name}.db"
    with make_outbox(path, url) as outbox:
        fill(outbox, *numbers)
    return path


def test_what_was_left_for_this_manager_is_delivered_and_nothing_else_is_touched(
    tmp_path: Path,
) -> None:
    events = Events()
    with recording(events) as server, client_of(server) as manager:
        leave(tmp_path, "a", server.url, 1, 2)
        elsewhere = leave(tmp_path, "b", "http://127.0.0.1:1", 3)
        held = leave(tmp_path, "c", server.url, 4)
        broken = tmp_path / "d.db"
        broken.write_text("no outbox")
        broken.with_suffix(".lock").touch()
        leave(tmp_path, "e", server.url, 5)
        with Outbox(held):
            deliver_leftovers(manager, tmp_path)
    assert events.stored == [1, 2, 5]
    assert events.revoked == ["/sessions/s/runs/1/token"] * 2
    assert list_outboxes(tmp_path) == [elsewhere, held, broken]
    with Outbox(elsewhere) as outbox:
        assert waiting(outbox) == [3]


def test_what_was_left_and_is_refused_stays_to_be_looked_at(tmp_path: Path) -> None:
    no = refusing(404, "session_not_found")
    with recording(Events([no, no, no])) as server, client_of(server) as manager:
        path = leave(tmp_path, "a", server.url, 1, 2)
        deliver_leftovers(manager, tmp_path)
    with Outbox(path) as outbox:
        assert (waiting(outbox), refused(outbox)) == ([], [1, 2])


def test_no_directory_has_nothing_left_in_it(tmp_path: Path) -> None:
    with sending(Events()) as manager:
        deliver_leftovers(manager, tmp_path / "none")


def test_command_is_not_held_up_once_for_each_outbox_by_a_manager_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_orchestrator.runs.delivery.LEFTOVER_SECONDS", NO_PATIENCE)
    answer = refusing(503, "store_unavailable")
    events = Events([answer] * 100)
    with recording(events) as server, client_of(server) as manager:
        left = [leave(tmp_path, name, server.url, 1) for name in "abcde"]
        deliver_leftovers(manager, tmp_path)
    assert len(events.requests) == 1
    assert events.revoked == []
    assert list_outboxes(tmp_path) == left

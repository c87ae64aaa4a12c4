"""An outbox keeps its events in order, for one holder at a time, until they are removed."""

from __future__ import annotations

import json
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from agent_orchestrator.outbox.files import list_outboxes
from agent_orchestrator.outbox.outbox import (
    EVENT,
    MAX_BATCH_BYTES,
    MAX_BATCH_EVENTS,
    Outbox,
    OutboxHeldError,
    Refused,
    Run,
    peek,
)
from tests.support.namespaces import on_required_disk
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS
from tests.unit.agent_orchestrator.outbox.filled_outbox import (
    RUN,
    command_to_fill,
    event,
    lines,
    path_in,
    running,
    waiting_ids,
)

ROOM = 512 * 1024


def test_event_is_read_as_it_was_added(outbox: Outbox) -> None:
    one = event(1, text="naïve 🦾\u2028\n", deep=[{"a": [None, True, 1.5, 2**63]}])
    outbox.add(one)
    (waiting,) = outbox.next_batch()
    assert waiting.item == one
    assert outbox.count_waiting() == 1


def test_events_are_read_in_the_order_of_their_addition(outbox: Outbox) -> None:
    for number in range(1, 100):
        outbox.add(event(number))
    outbox.remove(outbox.next_batch()[:40])
    outbox.add(event(100))
    assert waiting_ids(outbox) == list(range(41, 101))
    assert outbox.next_batch() == []


def test_batch_is_limited_by_count(outbox: Outbox) -> None:
    for number in range(MAX_BATCH_EVENTS + 1):
        outbox.add(event(number))
    first = outbox.next_batch()
    assert len(first) == MAX_BATCH_EVENTS
    outbox.remove(first)
    assert len(outbox.next_batch()) == 1


def test_batch_is_limited_by_bytes_but_holds_at_least_one_event(
    outbox: Outbox,
) -> None:
    for number, text in enumerate(
        ["ä" * (MAX_BATCH_BYTES // 4), "x" * (MAX_BATCH_BYTES // 2), "x" * MAX_BATCH_BYTES, "x"]
    ):
        outbox.add(event(number, text=text))
    sizes = []
    while batch := outbox.next_batch():
        sizes.append(len(batch))
        outbox.remove(batch)
    assert sizes == [1, 1, 1, 1]
    for number in range(4):
        outbox.add(event(number, text="x" * (MAX_BATCH_BYTES // 3)))
    assert len(outbox.next_batch()) == 2


def test_batch_is_returned_again_until_it_is_removed(outbox: Outbox) -> None:
    outbox.add(event(1))
    assert outbox.next_batch() == outbox.next_batch()


@each_row("value", [float("nan"), float("inf"), "\ud800", {1, 2}])
def test_event_that_cannot_be_sent_is_refused(outbox: Outbox, value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        outbox.add(event(1, value=value))
    assert outbox.count_waiting() == 0


def test_outbox_keeps_its_run_when_opened_for_another(path: Path) -> None:
    with Outbox(path, RUN) as outbox:
        outbox.add(event(1))
    with Outbox(path) as outbox:
        assert outbox.run == RUN
    with Outbox(path, Run(session_id="other", run=9, url="u")) as outbox:
        assert (outbox.run, waiting_ids(outbox)) == (RUN, [1])


def test_files_are_for_their_owner_alone(path: Path, outbox: Outbox) -> None:
    outbox.add(event(1))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(["s.3.db", "s.3.db-wal", "s.3.db-shm", "s.3.lock"], 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_empty_outbox_is_removed_when_it_is_closed(path: Path) -> None:
    with Outbox(path, RUN) as outbox:
        outbox.add(event(1))
        outbox.remove(outbox.next_batch())
    assert list(path.parent.iterdir()) == []
    assert list_outboxes(path.parent) == []


def test_outbox_with_events_is_kept(path: Path) -> None:
    with Outbox(path, RUN) as outbox:
        outbox.add(event(1))
        outbox.add(event(2))
    assert list_outboxes(path.parent) == [path]
    with Outbox(path) as outbox:
        first, second = outbox.next_batch()
        outbox.refuse([first], "no")
        outbox.remove([second])
    assert list_outboxes(path.parent) == [path]
    with Outbox(path) as outbox:
        assert (outbox.count_waiting(), len(outbox.list_refused())) == (0, 1)


def test_refused_event_is_kept_with_the_reason(outbox: Outbox) -> None:
    for number in range(1, 5):
        outbox.add(event(number))
    batch = outbox.next_batch()
    for waiting in (batch[2], batch[0]):
        outbox.refuse([waiting], f"not {waiting.item['event_id']}")
    outbox.refuse([batch[0]], "said twice")
    assert outbox.list_refused() == [
        Refused(kind=EVENT, item=event(1), reason="not 1"),
        Refused(kind=EVENT, item=event(3), reason="not 3"),
    ]
    assert waiting_ids(outbox) == [2, 4]


def test_items_of_an_earlier_version_get_their_kinds(path: Path) -> None:
    lines = {"batch_id": "b", "lines": ["{}"]}
    with Outbox(path, RUN) as outbox:
        outbox.add(event(1))
        outbox.add({"transcript": lines})
        outbox.add(event(2, transcript={"of": "a tool"}))
        outbox.add(event(3))
        outbox.refuse([outbox.next_batch()[-1]], "no")
    with closing(sqlite3.connect(path)) as database:
        for table in ("waiting", "kept", "refused"):
            database.execute(f"ALTER TABLE {table} DROP COLUMN kind")
        database.commit()
    for _ in range(2):
        with Outbox(path) as outbox:
            first = outbox.next_batch()
            assert [(each.kind, each.item) for each in first] == [(EVENT, event(1))]
            assert [each.kind for each in outbox.list_refused()] == [EVENT]
    with Outbox(path) as outbox:
        outbox.remove(outbox.next_batch())
        (second,) = outbox.next_batch()
        assert (second.kind, second.item) == ("transcript", {"transcript": lines})
        outbox.remove([second])
        assert [each.kind for each in outbox.next_batch()] == [EVENT]
        assert outbox.take_back() == 2
        kinds = []
        while batch := outbox.next_batch():
            kinds += [each.kind for each in batch]
            outbox.remove(batch)
        assert kinds == [EVENT, "transcript", EVENT]


def test_outbox_has_one_holder_at_a_time(path: Path) -> None:
    with Outbox(path, RUN) as outbox:
        outbox.add(event(1))
        for run in (RUN, None):
            with pytest.raises(OutboxHeldError) as caught:
                Outbox(path, run)
            assert str(path) in str(caught.value)
    with Outbox(path) as next_one:
        assert waiting_ids(next_one) == [1]


def test_killed_process_releases_its_outbox(path: Path) -> None:
    with running(command_to_fill(path, 3)) as holder:
        for line in lines(holder):
            if line.startswith("waiting"):
                break
        with pytest.raises(OutboxHeldError):
            Outbox(path)
        holder.kill()
        holder.wait(WATCHDOG_SECONDS)
        with Outbox(path) as outbox:
            assert waiting_ids(outbox) == [1, 2, 3]


@each_row("count", [1, 7, 50, 200])
def test_every_accepted_event_survives_a_kill(tmp_path: Path, count: int) -> None:
    path = path_in(tmp_path)
    with running(command_to_fill(path, 1_000_000)) as filling:
        taken = 0
        for line in lines(filling):
            taken = int(line)
            if taken == count:
                filling.kill()
        filling.wait(WATCHDOG_SECONDS)
    with Outbox(path) as outbox:
        found = waiting_ids(outbox)
    assert found == list(range(1, len(found) + 1))
    assert taken <= len(found) <= taken + 1


def test_events_of_each_concurrent_thread_stay_in_order(outbox: Outbox) -> None:
    together = Barrier(8)

    def add_many(thread: int) -> None:
        together.wait(WATCHDOG_SECONDS)
        for number in range(50):
            outbox.add(event(thread * 1000 + number))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add_many, range(8)))
    found = waiting_ids(outbox)
    assert len(found) == 400
    for thread in range(8):
        own = [number for number in found if number // 1000 == thread]
        assert own == list(range(thread * 1000, thread * 1000 + 50))


def test_every_change_notifies_a_waiting_thread(outbox: Outbox) -> None:
    outbox.add(event(1))
    outbox.add(event(2))
    first, second = outbox.next_batch()
    for change in (
        lambda: outbox.add(event(3)),
        lambda: outbox.refuse([first], "no"),
        lambda: outbox.remove([second]),
    ):
        with ThreadPoolExecutor(1) as thread:
            with outbox.changed:
                changing = thread.submit(change)
                assert outbox.changed.wait(WATCHDOG_SECONDS)
            changing.result(WATCHDOG_SECONDS)
    assert waiting_ids(outbox) == [3]


@each_row("with_limit", [False, True], ids=["tiny disk", "limit on files"])
def test_full_disk_is_reported_and_loses_no_accepted_event(
    tmp_path: Path, with_limit: bool
) -> None:
    directory = tmp_path / "disk"
    directory.mkdir()
    path = directory / "s.3.db"
    command = command_to_fill(path, 20, 5000, ROOM if with_limit else 0)
    if not with_limit:
        script = f"head -c {ROOM} /dev/zero > {directory}/ballast && exec {' '.join(command)}"
        command = on_required_disk(directory, f"size={2 * ROOM}", ["sh", "-c", script])
    with running(command) as filling:
        said = []
        for line in lines(filling):
            said.append(line)
            if line.startswith("waiting"):
                break
    (refusal,) = (line for line in said if line.startswith("refused: "))
    assert str(path) in refusal
    before = said.index(refusal)
    assert before > 10
    added = [int(line) for line in said if line.isdigit()]
    assert added == [*range(1, before + 1), *range(before + 2, before + 22)]
    assert said[-1] == f"waiting {len(added)} from 1"


def test_held_outbox_can_be_counted(outbox: Outbox) -> None:
    assert peek(outbox.path) == (0, 0)
    outbox.add(event(1))
    outbox.add(event(2))
    assert peek(outbox.path) == (2, 0)
    assert waiting_ids(outbox) == [1, 2]


def test_tables_can_be_read_by_other_versions(path: Path) -> None:
    """Another version may deliver the outbox of a dead supervisor: the tables must not change."""
    with Outbox(path, RUN) as outbox:
        outbox.add(event(1))
        outbox.add(event(2))
        outbox.refuse([outbox.next_batch()[1]], "no")
    with closing(sqlite3.connect(path)) as database:
        tables = {
            name: database.execute(f"SELECT * FROM {name}").fetchall()
            for name in ("run", "waiting", "refused")
        }
    first, second = (json.dumps(event(number)) for number in (1, 2))
    assert tables == {
        "run": [("s", 3, RUN.url)],
        "waiting": [(1, len(first), first, EVENT)],
        "refused": [(2, second, "no", EVENT)],
    }

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from agent_orchestrator.outbox.files import list_outboxes
from agent_orchestrator.outbox.outbox import (
    EVENT,
    MAX_BATCH_BYTES,
    MAX_BATCH_EVENTS,
    Outbox,
    OutboxError,
    OutboxHeldError,
    Refused,
    Run,
    peek,
)
from tests.support.own_disk import on_own_disk
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

ROOT = Path(__file__).parents[4]
RUN = Run(session_id="s", run=3, url="http://127.0.0.1:8765")
ROOM = 512 * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return path_in(tmp_path)


def path_in(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox" / "s.3.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    with Outbox(path, RUN) as opened:
        yield opened


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {"event_type": "x", "event_id": str(number), **fields}


def waiting_ids(outbox: Outbox) -> list[int]:
    """The ids of all events that wait, in order, read batch by batch; they are gone then."""
    found = []
    while batch := outbox.next_batch():
        found += [int(waiting.item["event_id"]) for waiting in batch]
        outbox.remove(batch)
    return found


def command_to_fill(path: Path, *numbers: int) -> list[str]:
    given = [str(number) for number in (*numbers, 0, 0, 0)[:3]]
    return [sys.executable, "-m", "tests.support.filling_outbox", str(path), *given]


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return (line.strip() for line in process.stdout)


def test_event_comes_out_as_it_went_in(outbox: Outbox) -> None:
    one = event(1, text="naïve 🦾\u2028\n", deep=[{"a": [None, True, 1.5, 2**63]}])
    outbox.add(one)
    (waiting,) = outbox.next_batch()
    assert waiting.item == one
    assert outbox.count_waiting() == 1


def test_events_come_out_in_the_order_in_which_they_went_in(outbox: Outbox) -> None:
    for number in range(1, 100):
        outbox.add(event(number))
    outbox.remove(outbox.next_batch()[:40])
    outbox.add(event(100))
    assert waiting_ids(outbox) == list(range(41, 101))
    assert outbox.next_batch() == []


def test_batch_is_cut_by_count(outbox: Outbox) -> None:
    for number in range(MAX_BATCH_EVENTS + 1):
        outbox.add(event(number))
    first = outbox.next_batch()
    assert len(first) == MAX_BATCH_EVENTS
    outbox.remove(first)
    assert len(outbox.next_batch()) == 1


def test_batch_is_cut_by_bytes_as_they_are_sent_and_holds_one_event_at_least(
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


def test_batch_that_is_not_removed_comes_again(outbox: Outbox) -> None:
    outbox.add(event(1))
    assert outbox.next_batch() == outbox.next_batch()


@each_row("value", [float("nan"), float("inf"), "\ud800", {1, 2}])
def test_event_that_could_never_be_sent_is_not_taken(outbox: Outbox, value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        outbox.add(event(1, value=value))
    assert outbox.count_waiting() == 0


def test_it_says_whose_it_is_whoever_opens_it(path: Path) -> None:
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


def test_outbox_with_something_in_it_stays(path: Path) -> None:
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


def test_refused_event_is_put_aside_with_the_reason(outbox: Outbox) -> None:
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


def test_one_has_it_at_a_time(path: Path) -> None:
    with Outbox(path, RUN) as outbox:
        outbox.add(event(1))
        for run in (RUN, None):
            with pytest.raises(OutboxHeldError) as caught:
                Outbox(path, run)
            assert str(path) in str(caught.value)
    with Outbox(path) as next_one:
        assert waiting_ids(next_one) == [1]


def test_one_process_has_it_at_a_time_and_a_kill_frees_it(path: Path) -> None:
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
def test_every_event_that_was_taken_is_there_after_a_kill(tmp_path: Path, count: int) -> None:
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


def test_threads_add_at_once_and_each_keeps_its_order(outbox: Outbox) -> None:
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


def test_whatever_comes_or_leaves_notifies_who_waits_for_a_change(outbox: Outbox) -> None:
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
def test_full_disk_is_told_and_what_was_taken_before_and_after_is_there(
    tmp_path: Path, with_limit: bool
) -> None:
    directory = tmp_path / "disk"
    directory.mkdir()
    path = directory / "s.3.db"
    command = command_to_fill(path, 20, 5000, ROOM if with_limit else 0)
    if not with_limit:
        script = f"head -c {ROOM} /dev/zero > {directory}/ballast && exec {' '.join(command)}"
        on_disk = on_own_disk(directory, f"size={2 * ROOM}", ["sh", "-c", script])
        if on_disk is None:
            pytest.skip("this machine mounts no disk for us")
        command = on_disk
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


def refusal_of(make: Callable[[], object]) -> str:
    with pytest.raises(OutboxError) as caught:
        make()
    assert type(caught.value) is OutboxError
    return str(caught.value)


def test_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    path = tmp_path / "state" / "outbox" / "s.db"
    said = refusal_of(lambda: Outbox(path, RUN))
    assert str(path) in said and "Not a directory" in said


def test_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    directory = tmp_path / "outbox"
    directory.mkdir(mode=0o500)
    path = directory / "s.db"
    if os.geteuid() != 0:
        assert "Permission denied" in refusal_of(lambda: Outbox(path, RUN))
        return
    on_disk = on_own_disk(directory, "ro", command_to_fill(path, 1))
    if on_disk is None:
        pytest.skip("root may write everywhere, and this machine mounts nothing for us")
    ran = subprocess.run(
        on_disk, cwd=ROOT, capture_output=True, text=True, timeout=WATCHDOG_SECONDS, check=False
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    last = ran.stderr.splitlines()[-1]
    assert last == (
        f"agent_orchestrator.outbox.outbox.OutboxError: cannot open the outbox {path}: "
        "Read-only file system"
    )


@each_row("name", ["s.3.db", "s.3.lock"])
def test_link_is_not_followed(tmp_path: Path, name: str) -> None:
    path = path_in(tmp_path)
    path.parent.mkdir(parents=True)
    theirs = tmp_path / "theirs"
    theirs.write_text("precious")
    (path.parent / name).symlink_to(theirs)
    for run in (RUN, None):
        refusal_of(lambda: Outbox(path, run))  # noqa: B023
    assert theirs.read_text() == "precious"


def test_outbox_that_is_not_there_is_not_made_by_opening_it(path: Path) -> None:
    assert list_outboxes(path.parent) == []
    refusal_of(lambda: Outbox(path))
    path.parent.mkdir(parents=True)
    refusal_of(lambda: Outbox(path))
    assert list(path.parent.iterdir()) == []


def open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def test_file_that_is_no_outbox_is_told_and_let_go_of(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.with_suffix(".lock").touch(0o600)
    path.touch(0o600)
    before = open_files()
    path.write_bytes(b"not a database, and longer than its header would be" * 100)
    for _ in range(3):
        assert "not a database" in refusal_of(lambda: Outbox(path))
    path.write_bytes(b"")
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE run (something_else TEXT)")
    for _ in range(3):
        refusal_of(lambda: Outbox(path))
    assert open_files() == before


@each_row("with_database", [True, False])
def test_outbox_whose_maker_was_killed_at_its_birth_is_removed_by_opening_it(
    tmp_path: Path, with_database: bool
) -> None:
    path = path_in(tmp_path)
    path.parent.mkdir(parents=True)
    path.with_suffix(".lock").touch(0o600)
    if with_database:
        path.touch(0o600)
    before = open_files()
    assert list_outboxes(path.parent) == [path]
    assert "it was removed" in refusal_of(lambda: Outbox(path))
    assert list(path.parent.iterdir()) == []
    assert open_files() == before


def test_outbox_that_another_process_has_can_be_counted(outbox: Outbox) -> None:
    assert peek(outbox.path) == (0, 0)
    outbox.add(event(1))
    outbox.add(event(2))
    assert peek(outbox.path) == (2, 0)
    assert waiting_ids(outbox) == [1, 2]


def test_outbox_that_is_gone_cannot_be_counted_and_is_not_made(path: Path) -> None:
    path.parent.mkdir(parents=True)
    assert str(path) in refusal_of(lambda: peek(path))
    assert list(path.parent.iterdir()) == []


def test_outbox_is_read_by_other_versions_of_ours(path: Path) -> None:
    """The tables are kept from version to version: what a dead supervisor left is delivered."""
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

"""Vacuum, export and import, killed at random: the old or the new state remains, complete."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from agent_session_manager.sql.care.exporting_file import written_whole
from agent_session_manager.sql.care.vacuum import vacuum
from agent_session_manager.sql.care.verify import verify
from agent_session_manager.sql.transfer.exporter import export
from agent_session_manager.sql.transfer.lines import read_lines
from agent_session_manager.store.changes import AppendEvents, CreateSession, DeleteSession
from tests.store.promises.changes import appending
from tests.store.promises.events import says
from tests.support.api import Api
from tests.support.campaign import Campaign, spread
from tests.support.filling import fill, opened_store
from tests.support.forked_command import run_forked
from tests.support.killed import Worker, export_all, import_all
from tests.support.load import load, stored_events
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

pytestmark = pytest.mark.stress

SESSIONS = 40


@pytest.fixture(scope="module")
def events(pytestconfig: pytest.Config) -> int:
    """The number of events of each session."""
    return 100 if pytestconfig.getoption("campaign") == "long" else 50


@pytest.fixture(scope="module")
def half_full(tmp_path_factory: pytest.TempPathFactory, events: int) -> Path:
    """A database, half of whose pages are free. No test may open it; each opens a copy."""
    state_dir = tmp_path_factory.mktemp("half-full")
    changes: list[CreateSession | AppendEvents | DeleteSession] = []
    for number in range(SESSIONS):
        changes.append(CreateSession(session_id=f"s{number}", session_name="n"))
        changes.append(appending(f"s{number}", *[says("x" * 2000)] * events))
    changes += [DeleteSession(session_id=f"s{number}") for number in range(0, SESSIONS, 2)]
    fill(state_dir, changes)
    return state_dir / "sessions.db"


@pytest.fixture
def present(half_full: Path, campaign: Campaign) -> Path:
    return copied(half_full, campaign.directory / "present")


def copied(database: Path, state_dir: Path) -> Path:
    state_dir.mkdir(mode=0o700, parents=True)
    return Path(shutil.copy(database, state_dir / "sessions.db"))


class Killing:
    """Kills processes at random within the duration of a first one, which runs to its end."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._chance = campaign.chance()
        self.took: float | None = None

    def kill(self, worker: Worker) -> None:
        begin = time.monotonic()
        if self.took is None:
            worker.wait_until_done()
            self.took = time.monotonic() - begin
        else:
            self._campaign.pause(self._chance, 0, self.took * 1.2)
        worker.kill()

    def directories(self, count: int) -> Iterator[Path]:
        """Yield an empty directory for the first process and for each kill, and remove it."""
        for number in range(count + 1):
            directory = self._campaign.directory / str(number)
            directory.mkdir()
            yield directory
            shutil.rmtree(directory)


def test_killed_vacuum_loses_nothing(campaign: Campaign, present: Path, events: int) -> None:
    count = campaign.count(short=2, long=50)
    size, contents = present.stat().st_size, verify(present)
    killing, smaller = Killing(campaign), 0
    for directory in killing.directories(count):
        database = directory / "sessions.db"
        shutil.copy(present, database)
        killing.kill(Worker(vacuum, database))
        assert verify(database) == contents
        with opened_store(directory) as store:
            assert store.get_session("s1").last_seq == events
        smaller += database.stat().st_size < size * 0.7
    campaign.tell(
        f"{count} kills within {killing.took:.2f} s of a vacuum: nothing lost, {smaller - 1} files "
        f"were already smaller; seed {campaign.seed!r}"
    )


def test_kill_in_vacuum_loses_no_acknowledged_event(campaign: Campaign, half_full: Path) -> None:
    count = campaign.count(short=1, long=50)
    kept = sum(_kill_in_a_vacuum(campaign, half_full, number) for number in range(count))
    campaign.tell(
        f"{count} kills of a manager in a vacuum: 0 of {kept} acknowledged events lost; "
        f"seed {campaign.seed!r}"
    )


def _kill_in_a_vacuum(campaign: Campaign, half_full: Path, number: int) -> int:
    """Return the number of events acknowledged before the kill."""
    directory = campaign.directory / str(number)
    copied(half_full, directory / "state")
    manager = RunningManager(directory)
    try:
        with Api(manager) as api:
            api.post("/sessions", {"session_id": "load", "session_name": "load"})
        with load(manager, "load", threads=4) as writing, ThreadPoolExecutor(1) as thread:
            writing.wait_until_acknowledged(20)
            before = _size(manager)
            running = thread.submit(run_forked, ["vacuum"], manager.environment())
            wait_for(
                lambda: running.done() or _size(manager) < before,
                "the vacuum has begun",
            )
            campaign.pause(campaign.chance(number), 0, 0.1)
            manager.kill()
        assert verify(manager.state_dir / "sessions.db")[1] == []
        manager.restart()
        kept = {event_id: seq for seq, event_id in stored_events(manager, "load").items()}
        assert writing.acknowledged.items() <= kept.items()
    finally:
        manager.kill()
    shutil.rmtree(directory)
    return len(writing.acknowledged)


def _size(manager: RunningManager) -> int:
    """Return the size of the database as a reader sees it."""
    with closing(sqlite3.connect(f"file:{manager.state_dir}/sessions.db?mode=ro", uri=True)) as db:
        pages, size = (db.execute(f"PRAGMA {n}").fetchone()[0] for n in ("page_count", "page_size"))
    return int(pages * size)


def test_killed_export_leaves_whole_file_or_none(
    campaign: Campaign, present: Path, events: int
) -> None:
    count = campaign.count(short=2, long=50)
    killing, whole = Killing(campaign), 0
    for directory in killing.directories(count):
        file = directory / "all.jsonl"
        killing.kill(Worker(export_all, f"sqlite:///{present}", file))
        if file.exists():
            with file.open("rb") as lines:
                assert sum(1 for _ in read_lines(lines, lambda _: None)) == 20 * (events + 2)
            whole += 1
    campaign.tell(
        f"{count} kills within {killing.took:.2f} s of an export: {whole - 1} times a complete "
        f"file, {count + 1 - whole} times no file; seed {campaign.seed!r}"
    )


def test_killed_import_adds_all_or_nothing(campaign: Campaign, present: Path, events: int) -> None:
    count = campaign.count(short=2, long=50)
    file = campaign.directory / "all.jsonl"
    with written_whole(file) as to:
        export(f"sqlite:///{present}", to, now=1)
    mine = campaign.directory / "mine"
    fill(mine, [CreateSession(session_id="mine", session_name="mine")])
    killing, found = Killing(campaign), []
    for state in killing.directories(count):
        shutil.copytree(mine, state, dirs_exist_ok=True)
        killing.kill(Worker(import_all, f"sqlite:///{state / 'sessions.db'}", file))
        contents, problems = verify(state / "sessions.db")
        assert problems == []
        assert contents is not None
        found.append((contents.sessions, contents.events))
        with opened_store(state) as store:
            assert store.get_session("mine").last_seq == 0
    old, new = (1, 0), (1 + SESSIONS // 2, events * SESSIONS // 2)
    assert set(found) <= {old, new}
    assert found[0] == new
    campaign.tell(
        f"{count} kills within {killing.took:.2f} s of an import: {found.count(old)} times nothing "
        f"and {found.count(new) - 1} times all; seed {campaign.seed!r}"
    )


def test_appends_continue_during_a_vacuum(campaign: Campaign, half_full: Path, events: int) -> None:
    """Measure the longest wait of an append; the long form frees half a GB."""
    state = campaign.directory / "manager" / "state"
    copied(half_full, state)
    more = [f"more-{number}" for number in range(campaign.count(short=0, long=32 * SESSIONS))]
    with opened_store(state) as store:
        for session_id in more:
            store.commit([CreateSession(session_id=session_id, session_name="n")])
            store.commit([appending(session_id, *[says("x" * 2000)] * events)])
        for session_id in more:
            store.commit([DeleteSession(session_id=session_id)])
    manager = RunningManager(campaign.directory / "manager")
    waits: list[float] = []
    ended = threading.Event()

    def append() -> None:
        with Api(manager) as api:
            while not ended.is_set():
                begin = time.perf_counter()
                assert api.post("/sessions/load/events", {"event_type": "x"}).status == 201
                waits.append(time.perf_counter() - begin)

    try:
        with Api(manager) as api:
            api.post("/sessions", {"session_id": "load", "session_name": "load"})
        appender = threading.Thread(target=append)
        appender.start()
        try:
            with Api(manager) as api:
                begin = time.perf_counter()
                freed = api.post("/maintenance/vacuum", {}).json["freed_bytes"]
                took = time.perf_counter() - begin
        finally:
            ended.set()
            appender.join(WATCHDOG_SECONDS)
    finally:
        manager.kill()
    assert freed > 0
    campaign.tell(
        f"{freed / 1e6:.0f} MB freed in {took:.1f} s, during {len(waits)} appends: {spread(waits)}"
    )

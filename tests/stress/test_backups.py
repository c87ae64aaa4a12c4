"""Backups under load, and restores that are killed."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from agent_session_manager.sql.care.backup import back_up
from agent_session_manager.sql.care.verify import Contents, verify
from agent_session_manager.sql.migrations.revisions import known_revisions
from agent_session_manager.store.change import Change
from agent_session_manager.store.changes import CreateSession
from tests.store.promises.changes import appending
from tests.store.promises.events import says
from tests.stress.scene import Scene
from tests.support.api import Api
from tests.support.campaign import Campaign, spread
from tests.support.earlier_schema import make_database
from tests.support.filling import fill
from tests.support.killed import Worker, restore_now
from tests.support.load import load
from tests.support.manager import RunningManager
from tests.support.manager_command import run

pytestmark = pytest.mark.stress

LIST = 50
"""Events in one request of the load."""
PER_SECOND = 2500
NEWEST = known_revisions()[-1]
EVENTS_OF_ONE = 200
RESTORE_SECONDS = 60.0


def test_backup_contains_events_acknowledged_before_it(campaign: Campaign, scene: Scene) -> None:
    """Check that each backup has every acknowledged seq, and the right ids for the newest ones.

    Every tenth backup and the last one are checked for all ids. More checks would slow the load.
    """
    count = campaign.count(short=2, long=100)
    looked_at = 0
    database = scene.state_dir / "sessions.db"
    with Api(scene.manager) as api:
        api.post("/sessions", {"session_id": "s", "session_name": "s"})
    took = []
    with load(scene.manager, "s", threads=4, at_once=LIST, per_second=PER_SECOND) as writing:
        began_at = time.monotonic()
        for number in range(count):
            writing.wait_until_acknowledged(len(writing.acknowledged) + LIST)
            before = writing.acknowledged.copy()  # in one step, while others add to it
            copy = scene.directory / f"{number}.db"
            backup_at = time.monotonic()
            contents = back_up(database, copy)
            took.append(time.monotonic() - backup_at)
            assert verify(copy) == (contents, [])
            assert copy.stat().st_mode & 0o777 == 0o600
            # `verify` has checked that the seqs are 1 to the number of events, without gaps.
            assert contents.events >= max(before.values())
            if number % 10 == 0 or number == count - 1:
                looked_at = 0
            new = dict(islice(before.items(), looked_at, None))
            assert new.items() <= kept_since(copy, min(new.values())).items()
            looked_at = len(before)
            copy.unlink()
        rate = len(writing.acknowledged) / (time.monotonic() - began_at)
        assert writing.refused == []
    campaign.tell(
        f"{count} backups at {rate:.0f} events/s, {len(writing.acknowledged)} events in total: "
        f"all complete, with every event acknowledged before the backup; each took {spread(took)}"
    )


def kept_since(copy: Path, seq: int) -> dict[str, int]:
    with closing(sqlite3.connect(copy)) as connection:
        query = "SELECT event_id, seq FROM events WHERE seq >= ?"
        return dict(connection.execute(query, (seq,)).fetchall())


def test_lost_large_database_is_restored_in_time(campaign: Campaign) -> None:
    """Measure the time from the loss of a database until the manager serves its backup."""
    megabytes = campaign.count(short=5, long=1000)
    state = campaign.directory / "manager" / "state"
    fill(state, _changes_of(megabytes))
    database, file = state / "sessions.db", campaign.directory / "backup.db"
    size = database.stat().st_size
    begin = time.monotonic()
    back_up(database, file)
    backed_up = time.monotonic() - begin
    database.unlink()
    begin = time.monotonic()
    restored = run(campaign.directory, "restore", str(file), "--state-dir", str(state))
    assert (restored.returncode, restored.stderr) == (0, "")
    manager = RunningManager(campaign.directory / "manager")
    try:
        with Api(manager) as api:
            assert api.get("/sessions/s0").json["session"]["last_seq"] == EVENTS_OF_ONE
        took = time.monotonic() - begin
    finally:
        manager.kill()
    campaign.tell(f"{size / 1e6:.0f} MB: backed up in {backed_up:.1f} s")
    campaign.limit("seconds until the restored database is served", took, RESTORE_SECONDS)


def _changes_of(megabytes: int) -> Iterator[Change[Any]]:
    for number in range(megabytes):
        yield CreateSession(session_id=f"s{number}", session_name="n")
        yield appending(f"s{number}", *[says("x" * (1_000_000 // EVENTS_OF_ONE))] * EVENTS_OF_ONE)


def test_killed_restore_leaves_old_or_new_database(campaign: Campaign) -> None:
    count = campaign.count(short=2, long=50)
    chance = campaign.chance()
    directory = campaign.directory
    events = campaign.count(short=150, long=1500)
    file, present = directory / "backup.db", directory / "present.db"
    make_database(f"sqlite:///{file}", NEWEST, sessions=20, events=events)
    make_database(f"sqlite:///{present}", NEWEST, sessions=10, events=events)
    old = Contents(revision=NEWEST, sessions=10, events=10 * events)
    new = Contents(revision=NEWEST, sessions=20, events=20 * events)
    took = 1.0
    found = []
    for number in range(count + 1):
        database = directory / str(number) / "sessions.db"
        database.parent.mkdir()
        shutil.copy(present, database)
        restorer = Worker(restore_now, file, database)
        began_at = time.monotonic()
        if number == 0:  # measure the duration without a kill
            restorer.wait_until_done()
            took = time.monotonic() - began_at
        else:
            campaign.pause(chance, 0, took * 1.25)
        restorer.kill()
        contents, problems = verify(database)
        assert problems == []
        assert contents in (old, new)
        kept = [verify(path) for path in database.parent.glob("sessions.db.replaced-*")]
        assert kept in ([], [(old, [])])
        assert contents == old or kept
        found.append(contents)
        shutil.rmtree(database.parent)
    campaign.tell(
        f"{count} kills within {took:.2f} s of a restore: {found[1:].count(old)} old and "
        f"{found[1:].count(new)} restored databases, each complete; seed {campaign.seed!r}"
    )

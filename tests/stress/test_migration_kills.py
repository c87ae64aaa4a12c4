"""A manager killed during a migration: the database has the old or the new schema, all data."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from agent_session_manager.sql.care.verify import Contents, verify
from agent_session_manager.sql.migrations.revisions import known_revisions
from agent_session_manager.sql.store import open_store
from tests.store.promises.stepped_clock import SteppedClock
from tests.support.campaign import Campaign
from tests.support.earlier_schema import make_database
from tests.support.killed import Worker, open_one

pytestmark = pytest.mark.stress

NEWEST = known_revisions()[-1]
SESSIONS = 20


def schema(path: Path) -> dict[str, set[str]]:
    """Return the lines of each table and index definition, as sets: their order does not matter."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
    return {name: {line.strip("\t ,") for line in (sql or "").splitlines()} for name, sql in found}


def open_here(path: Path) -> None:
    open_store(f"sqlite:///{path}", clock=SteppedClock()).close()


def test_killed_migration_leaves_one_schema_and_all_data(campaign: Campaign) -> None:
    count = campaign.count(short=2, long=50)
    events = campaign.count(short=150, long=1500)
    chance = campaign.chance()
    earlier = campaign.directory / "earlier.db"
    make_database(f"sqlite:///{earlier}", "0003", sessions=SESSIONS, events=events)
    migrated = campaign.directory / "migrated.db"
    shutil.copy(earlier, migrated)
    opener = Worker(open_one, f"sqlite:///{migrated}")
    began_at = time.monotonic()
    opener.wait_until_done()
    took = time.monotonic() - began_at
    opener.kill()
    open_here(migrated)
    schemas = {"0003": schema(earlier), NEWEST: schema(migrated)}
    found: list[str] = []
    kept = 0
    for number in range(count):
        directory = campaign.directory / str(number)
        directory.mkdir()
        path = directory / "sessions.db"
        shutil.copy(earlier, path)
        opener = Worker(open_one, f"sqlite:///{path}")
        campaign.pause(chance, 0, took * 1.25)
        opener.kill()
        contents, problems = verify(path)
        assert problems == []
        assert contents is not None
        assert schema(path) == schemas[contents.revision]
        whole = Contents(revision=contents.revision, sessions=SESSIONS, events=SESSIONS * events)
        assert contents == whole
        found.append(contents.revision)
        before = path.with_name(f"sessions.db.before-{NEWEST}")
        if before.exists():
            kept += 1
            assert verify(before)[0] == Contents(
                revision="0003", sessions=SESSIONS, events=SESSIONS * events
            )
        assert contents.revision == "0003" or before.exists()
        open_here(path)
        assert schema(path) == schemas[NEWEST]
        assert not list(directory.glob(".*")), "an incomplete copy was left"
        shutil.rmtree(directory)
    campaign.tell(
        f"{count} kills within {took:.2f} s: {found.count('0003')} old and {found.count(NEWEST)} "
        f"new schemas, {kept} backups, each complete; seed {campaign.seed!r}"
    )

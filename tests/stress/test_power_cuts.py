"""Simulated power cuts at any write, under real commits of the store.

The schema, the statements and the pragmas are those of the manager. Only the file system below
SQLite is simulated. Each cut makes an image of the disk at that moment. The image is opened and
compared with the events acknowledged by then.
"""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import StaticPool

from agent_session_manager.sql.care.readonly import reading_alone
from agent_session_manager.sql.care.verify import verify
from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.database.engines import sqlite
from agent_session_manager.sql.store import SqlStore, open_store
from agent_session_manager.store.protocol import Store
from agent_shared.manager_settings import DEFAULT_LEASE_SECONDS
from tests.store.promises.changes import append, create
from tests.store.promises.events import stop
from tests.support.campaign import Campaign
from tests.support.power import Connection, Disk, disk

pytestmark = pytest.mark.stress

LIFE_CUTS = 40
"""Number of images taken of one database; the next database starts from the last image."""
CHECKPOINT_PAGES = 30
"""Pages per checkpoint; far below the default, so that cuts hit checkpoints as often as commits."""
SESSIONS = ("a", "b", "c")

Known = set[tuple[str, str]]
"""Pairs of a session id and an event id."""


class Life:
    """A store on a simulated disk, which appends events until the power is cut."""

    def __init__(self, path: Path, made: Disk, synchronous: str | None) -> None:
        def prepare(connection: Connection, record: object) -> None:
            sqlite._prepare_sqlite_writer(connection, record)  # type: ignore[arg-type]
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}").close()
            if synchronous:
                connection.execute(f"PRAGMA synchronous = {synchronous}").close()

        def opened() -> Engine:
            one = create_engine(
                "sqlite+pysqlite://",
                creator=lambda: Connection(path, made.name),
                poolclass=StaticPool,
            )
            event.listen(one, "connect", prepare)
            event.listen(one, "begin", sqlite._begin_immediate)
            return one

        database = Database(make_url(f"sqlite:///{path}"), opened(), opened())
        self.store: Store = SqlStore(database, None, clock=now, lease_seconds=DEFAULT_LEASE_SECONDS)

    def work(self, acknowledged: Known, number: int, chance: Random) -> None:
        """Append a few events; they are acknowledged when the store returns."""
        session_id = chance.choice(SESSIONS)
        ids = [f"{number}-{each}" for each in range(chance.randint(1, 6))]
        events = [{"event_type": "x", "event_id": i, "t": "x" * chance.randrange(900)} for i in ids]
        append(self.store, *events, session_id=session_id)
        acknowledged.update((session_id, each) for each in ids)
        if number % 17 == 0:
            append(self.store, stop(run=1), session_id=session_id)


def now() -> datetime:
    return datetime.now(UTC)


def state_of(path: Path, acknowledged: Known) -> str:
    """Return the state of a database after a cut: `whole`, `lossy` or `corrupt`."""
    contents, problems = verify(path)
    if problems or contents is None:
        return "corrupt"
    return "whole" if acknowledged <= events_in(path) else "lossy"


def events_in(path: Path) -> Known:
    with reading_alone(path) as connection:
        return set(
            connection.execute(
                "SELECT session_id, event_id FROM events"
                " JOIN sessions ON sessions.number = session_number WHERE event_id IS NOT NULL"
            )
        )


def cut_often(campaign: Campaign, count: int, synchronous: str | None = None) -> Counter[str]:
    """Cut `count` times; return how often each state was found."""
    begin = campaign.directory / "begin.db"
    store = open_store(f"sqlite:///{begin}", clock=now)
    for session_id in SESSIONS:
        create(store, session_id)
    store.close()
    found: Counter[str] = Counter()
    source = begin
    for life in range(-(-count // LIFE_CUTS)):
        directory = campaign.directory / f"life-{life}"
        directory.mkdir()
        cuts = min(LIFE_CUTS, count - found.total())
        found += _live(source, directory, cuts, campaign.chance(life), synchronous)
        # Continue from the image of the last cut, as long as all images were whole.
        left = directory / "left"
        source = begin
        if life % 5 != 4 and set(found) == {"whole"}:
            source = campaign.directory / "left.db"
            source.unlink(missing_ok=True)
            with reading_alone(left / "sessions.db") as connection:
                connection.execute("PRAGMA query_only = OFF")  # the copy is written
                connection.execute("VACUUM INTO ?", (str(source),))
        if set(found) == {"whole"} or synchronous:
            shutil.rmtree(directory)
    return found


def _live(
    source: Path, directory: Path, cuts: int, chance: Random, synchronous: str | None
) -> Counter[str]:
    path = directory / "sessions.db"
    shutil.copyfile(source, path)
    acknowledged = events_in(source)
    found: Counter[str] = Counter()
    left = directory / "left"
    with disk(f"power-{directory.name}") as made:
        until_next = chance.randint(1, 25)

        def maybe_cut() -> None:
            nonlocal until_next
            until_next -= 1
            if until_next or found.total() == cuts:
                return
            until_next = chance.randint(1, 25)
            shutil.rmtree(left, ignore_errors=True)
            left.mkdir()
            made.cut(left, chance)
            found[state_of(left / "sessions.db", acknowledged)] += 1

        life = Life(path, made, synchronous)
        made.before_write = maybe_cut
        number = len(acknowledged) * 1000 + 1  # so that no id is used twice
        while found.total() < cuts:
            life.work(acknowledged, number, chance)
            number += 1
        made.before_write = lambda: None
        life.store.close()
    return found


def test_power_cut_loses_no_acknowledged_event(campaign: Campaign) -> None:
    count = campaign.count(short=60, long=10_000)
    found = cut_often(campaign, count)
    campaign.tell(f"{count} cuts with the manager's pragmas: {dict(found)}, {campaign.seed!r}")
    assert found == Counter(whole=count)


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_fewer_syncs_lose_events(campaign: Campaign, synchronous: str) -> None:
    count = campaign.count(short=20, long=1000)
    found = cut_often(campaign, count, synchronous)
    campaign.tell(f"{count} cuts with synchronous = {synchronous}: {dict(found)}")
    assert found["lossy"] + found["corrupt"] > 0

"""Copies of a SQLite database: backups, copies before a migration, and restores."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import CursorUnknownError
from agent_session_manager.sql.care.backup import back_up
from agent_session_manager.sql.care.restore import restore
from agent_session_manager.sql.care.verify import verify
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.migrations.revisions import known_revisions
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.queries import EventFilter
from tests.store.conftest import OpenStores
from tests.store.foreign_database import make_foreign_database
from tests.store.promises.changes import append, create
from tests.store.promises.events import SOME
from tests.store.promises.stepped_clock import START
from tests.support.earlier_schema import make_database

NEWEST = known_revisions()[-1]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of a backup in an empty directory, so that a test sees leftover files."""
    directory = tmp_path / "backups"
    directory.mkdir()
    return directory / "copy.db"


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def ask(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(DatabaseError) as caught:
        work()
    return str(caught.value)


def test_backup_of_an_open_store_is_one_complete_private_file(
    filled_store: SqlStore, open_stores: OpenStores, database: Path, file: Path
) -> None:
    before = os.umask(0)
    try:
        contents = back_up(database, file)
    finally:
        os.umask(before)
    assert (contents.sessions, contents.events) == (1, 50)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert verify(file) == (contents, [])
    assert names(file.parent) == {"copy.db"}, "a WAL or a temporary file is left"
    assert open_stores(f"sqlite:///{file}").list_events(
        "s", EventFilter(), limit=99
    ) == filled_store.list_events("s", EventFilter(), limit=99)


KILLED_WITH_A_WAL = """\
import os, signal, sys
from tests.store.promises.changes import append, create
from tests.store.promises.events import SOME
from tests.store.promises.stepped_clock import SteppedClock
from agent_session_manager.sql.store import open_store
store = open_store(sys.argv[1], clock=SteppedClock())
create(store)
append(store, *[SOME] * 50)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def abandoned(sqlite_url: str, database: Path) -> Path:
    """Kill a writer when its 50 events are in the WAL only, and not in the database file."""
    line = [sys.executable, "-c", KILLED_WITH_A_WAL, sqlite_url]
    assert subprocess.run(line, timeout=60, check=False).returncode == -9
    return database


def test_backup_reads_the_wal_of_a_killed_manager_unchanged(abandoned: Path, file: Path) -> None:
    log = abandoned.with_name("sessions.db-wal")
    before = abandoned.read_bytes(), log.read_bytes()
    assert back_up(abandoned, file).events == 50
    assert verify(abandoned)[1] == []
    assert (abandoned.read_bytes(), log.read_bytes()) == before


@pytest.mark.parametrize("kind", ["file", "directory", "link", "broken link"])
def test_backup_overwrites_nothing(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path, kind: str
) -> None:
    open_stores(sqlite_url)
    elsewhere = file.with_name("elsewhere")
    match kind:
        case "file":
            file.write_text("precious")
        case "directory":
            file.mkdir()
        case "link":
            elsewhere.write_text("precious")
            file.symlink_to(elsewhere)
        case _:
            file.symlink_to(elsewhere)
    before = names(file.parent)
    assert "exists already" in refused(lambda: back_up(database, file))
    assert names(file.parent) == before
    assert kind == "directory" or kind == "broken link" or file.read_text() == "precious"


def test_backup_into_a_missing_directory_is_refused(
    sqlite_url: str, open_stores: OpenStores, database: Path, tmp_path: Path
) -> None:
    open_stores(sqlite_url)
    assert f"no directory {tmp_path / 'none'}" in refused(
        lambda: back_up(database, tmp_path / "none" / "copy.db")
    )


def test_backup_of_a_missing_or_foreign_database_is_refused(database: Path, file: Path) -> None:
    assert "no database at" in refused(lambda: back_up(database, file))
    make_foreign_database(database)
    assert "not a database of agent-session-manager" in refused(lambda: back_up(database, file))
    assert names(file.parent) == set()


def test_damaged_database_is_not_backed_up(
    filled_store: SqlStore, database: Path, file: Path
) -> None:
    filled_store.close()
    content = bytearray(database.read_bytes())
    content[-4096:-4000] = b"\xff" * 96
    database.write_bytes(content)
    assert "agent-session-manager verify" in refused(lambda: back_up(database, file))
    assert names(file.parent) == set()


def test_database_is_copied_before_a_migration(
    sqlite_url: str, open_stores: OpenStores, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_database(sqlite_url, "0003")
    with caplog.at_level(logging.INFO):
        store = open_stores(sqlite_url)
    kept = database.with_name(f"sessions.db.before-{NEWEST}")
    assert str(kept) in caplog.text
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert ask(kept, "SELECT version_num FROM alembic_version") == [("0003",)]
    contents, problems = verify(kept)
    assert contents is not None and (contents.events, problems) == (3, [])
    assert store.get_session("s1").last_seq == 3


def test_new_and_migrated_databases_are_not_copied(
    sqlite_url: str, open_stores: OpenStores, database: Path
) -> None:
    open_stores(sqlite_url).close()
    open_stores(sqlite_url).close()
    assert not list(database.parent.glob("*.before-*"))


def test_three_newest_copies_before_migrations_are_kept(
    sqlite_url: str, open_stores: OpenStores, database: Path
) -> None:
    make_database(sqlite_url, "0003")
    for age, revision in enumerate(("0000", "0001", "0002", "0003")):
        old = database.with_name(f"sessions.db.before-{revision}")
        old.touch()
        os.utime(old, ns=(age, age))
    open_stores(sqlite_url)
    kept = {path.name.rpartition("-")[2] for path in database.parent.glob("*.before-*")}
    assert kept == {"0002", "0003", NEWEST}


def test_database_that_cannot_be_copied_is_not_migrated(
    sqlite_url: str, open_stores: OpenStores, database: Path
) -> None:
    make_database(sqlite_url, "0003")
    database.with_name(f"sessions.db.before-{NEWEST}").mkdir()
    assert f"before-{NEWEST}" in refused(lambda: open_stores(sqlite_url))
    assert ask(database, "SELECT version_num FROM alembic_version") == [("0003",)]


def test_restore_replaces_the_database_and_keeps_the_old_one(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path
) -> None:
    store = open_stores(sqlite_url)
    create(store)
    append(store, SOME)
    back_up(database, file)
    append(store, SOME)
    store.close()
    left = database.with_name(".sessions.db.abcd1234.partial")
    left.write_text("left by a killed restore")
    done = restore(file, database, now=START)
    assert done.replaced == database.with_name("sessions.db.replaced-20261122T120000Z")
    assert ask(done.replaced, "SELECT count(*) FROM events") == [(2,)]
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert names(database.parent) == {
        "backups",
        "sessions.db",
        "sessions.db.ballast",
        "sessions.db.lock",
        done.replaced.name,
    }
    again = open_stores(sqlite_url)
    assert again.get_session("s").last_seq == 1
    assert append(again, SOME) == [2]


def test_cursors_are_unknown_after_a_restore(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path
) -> None:
    store = open_stores(sqlite_url)
    create(store)
    create(store, "other")
    cursor = store.feeds.head()
    generation = store.get_session("s").generation
    back_up(database, file)
    store.close()
    restore(file, database, now=START)
    again = open_stores(sqlite_url)
    with pytest.raises(CursorUnknownError):
        again.feeds.read_changes(Cursor(generation=cursor.generation, number=0), limit=9)
    renewed = {again.get_session(name).generation for name in ("s", "other")}
    assert len(renewed) == 2
    assert generation not in renewed


def test_restore_works_without_a_present_database(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path, tmp_path: Path
) -> None:
    create(open_stores(sqlite_url))
    back_up(database, file)
    elsewhere = tmp_path / "new.db"
    assert restore(file, elsewhere, now=START).replaced is None
    assert open_stores(f"sqlite:///{elsewhere}").get_status("s") == "running"


def test_restored_earlier_schema_is_migrated_by_the_next_start(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path
) -> None:
    make_database(f"sqlite:///{file}", "0003")
    restore(file, database, now=START)
    session = open_stores(sqlite_url).get_session("s1")
    assert session.last_seq == 3
    assert session.generation != "s1"


def test_restore_over_an_open_store_names_the_process(
    sqlite_store: SqlStore, database: Path, file: Path
) -> None:
    create(sqlite_store)
    back_up(database, file)
    said = refused(lambda: restore(file, database, now=START))
    assert f"process id {os.getpid()}:" in said
    assert "agent-session-manager stop" in said
    assert not list(database.parent.glob("*.replaced-*"))
    assert append(sqlite_store, SOME) == [1]


@pytest.mark.parametrize("kind", ["damaged", "broken record", "no database", "none", "itself"])
def test_restore_of_a_damaged_or_missing_file_changes_nothing(
    filled_store: SqlStore, database: Path, file: Path, kind: str
) -> None:
    back_up(database, file)
    filled_store.close()
    match kind:
        case "damaged":
            file.write_bytes(file.read_bytes()[:-4096] + b"\xff" * 4096)
        case "broken record":
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("DELETE FROM events WHERE seq = 7")
                connection.commit()
        case "no database":
            file.write_text("a text that is longer than the header of a database file\n" * 9)
        case "none":
            file.unlink()
        case _:
            file = database
    before = names(database.parent), database.read_bytes()
    assert str(file) in refused(lambda: restore(file, database, now=START))
    assert (names(database.parent), database.read_bytes()) == before


def test_wal_of_the_replaced_database_is_kept_with_it(
    sqlite_url: str, open_stores: OpenStores, abandoned: Path, file: Path
) -> None:
    back_up(abandoned, file)
    done = restore(file, abandoned, now=START)
    assert done.replaced is not None
    alone = done.replaced.with_name("alone.db")
    shutil.copyfile(done.replaced, alone)
    assert ask(alone, "SELECT count(*) FROM events") == [(50,)]
    assert open_stores(sqlite_url).get_session("s").last_seq == 50


def test_database_too_damaged_to_open_can_be_replaced(
    sqlite_url: str, open_stores: OpenStores, abandoned: Path, file: Path
) -> None:
    back_up(abandoned, file)
    abandoned.write_bytes(b"\xff" * 4096)
    log = abandoned.with_name("sessions.db-wal")
    log.write_bytes(b"the rest of a WAL")
    done = restore(file, abandoned, now=START)
    assert done.replaced is not None
    assert done.replaced.read_bytes() == b"\xff" * 4096
    assert not log.exists()
    assert open_stores(sqlite_url).get_session("s").last_seq == 50


def test_database_with_an_open_reader_is_not_replaced(abandoned: Path, file: Path) -> None:
    """A replacement would remove the WAL that the reader uses."""
    back_up(abandoned, file)
    with closing(sqlite3.connect(abandoned, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (50,)
        said = refused(lambda: restore(file, abandoned, now=START))
        assert "being read" in said
    assert not list(abandoned.parent.glob("*.replaced-*"))
    assert restore(file, abandoned, now=START).replaced is not None

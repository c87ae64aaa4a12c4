"""Copies of a SQLite database: made, kept before a migration, and put back."""

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
from tests.store.promises.conformance import SOME, START, append, create
from tests.support.earlier_schema import make_database

NEWEST = known_revisions()[-1]
OpenStores = Callable[[str], SqlStore]


@pytest.fixture
def database(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a backup goes: a directory of its own, so that what is left there is seen."""
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


def test_backup_of_an_open_store_holds_all_of_it_in_one_private_file(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path
) -> None:
    store = open_stores(sqlite_url)
    create(store)
    append(store, *[SOME] * 50)
    before = os.umask(0)
    try:
        contents = back_up(database, file)
    finally:
        os.umask(before)
    assert (contents.sessions, contents.events) == (1, 50)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert verify(file) == (contents, [])
    assert names(file.parent) == {"copy.db"}, "no log, and no temporary file"
    assert open_stores(f"sqlite:///{file}").list_events(
        "s", EventFilter(), limit=99
    ) == store.list_events("s", EventFilter(), limit=99)


KILLED_WITH_A_LOG = """\
import os, signal, sys
from tests.store.promises.conformance import SOME, SteppedClock, append, create
from agent_session_manager.sql.store import open_store
store = open_store(sys.argv[1], clock=SteppedClock())
create(store)
append(store, *[SOME] * 50)
os.kill(os.getpid(), signal.SIGKILL)
"""


def leave_a_log(url: str) -> None:
    """Be killed with everything in the log and nothing in the file."""
    ran = subprocess.run([sys.executable, "-c", KILLED_WITH_A_LOG, url], timeout=60, check=False)
    assert ran.returncode == -9


def test_backup_reads_the_log_of_a_killed_manager_and_leaves_it_to_the_next(
    sqlite_url: str, database: Path, file: Path
) -> None:
    leave_a_log(sqlite_url)
    log = database.with_name("sessions.db-wal")
    before = database.read_bytes(), log.read_bytes()
    assert back_up(database, file).events == 50
    assert verify(database)[1] == []
    assert (database.read_bytes(), log.read_bytes()) == before


@pytest.mark.parametrize("kind", ["file", "directory", "link", "broken link"])
def test_nothing_is_overwritten_by_a_backup(
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
    assert "is there already" in refused(lambda: back_up(database, file))
    assert names(file.parent) == before
    assert kind == "directory" or kind == "broken link" or file.read_text() == "precious"


def test_backup_into_a_directory_that_there_is_not_is_refused(
    sqlite_url: str, open_stores: OpenStores, database: Path, tmp_path: Path
) -> None:
    open_stores(sqlite_url)
    assert f"no directory {tmp_path / 'none'}" in refused(
        lambda: back_up(database, tmp_path / "none" / "copy.db")
    )


def test_backup_of_what_is_not_there_or_not_ours_leaves_nothing(database: Path, file: Path) -> None:
    assert "no database at" in refused(lambda: back_up(database, file))
    with closing(sqlite3.connect(database)) as other:
        other.execute("CREATE TABLE mine (x)")
    assert "not a database of agent-session-manager" in refused(lambda: back_up(database, file))
    assert names(file.parent) == set()


def test_damaged_database_is_not_backed_up(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path
) -> None:
    store = open_stores(sqlite_url)
    create(store)
    append(store, *[SOME] * 50)
    store.close()
    content = bytearray(database.read_bytes())
    content[-4096:-4000] = b"\xff" * 96
    database.write_bytes(content)
    assert "agent-session-manager verify" in refused(lambda: back_up(database, file))
    assert names(file.parent) == set()


def test_database_is_kept_as_it_was_before_a_migration(
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


def test_new_and_migrated_databases_are_not_kept(
    sqlite_url: str, open_stores: OpenStores, database: Path
) -> None:
    open_stores(sqlite_url).close()
    open_stores(sqlite_url).close()
    assert not list(database.parent.glob("*.before-*"))


def test_three_databases_at_most_are_kept_before_migrations(
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


def test_database_that_cannot_be_kept_is_not_migrated(
    sqlite_url: str, open_stores: OpenStores, database: Path
) -> None:
    make_database(sqlite_url, "0003")
    database.with_name(f"sessions.db.before-{NEWEST}").mkdir()
    assert f"before-{NEWEST}" in refused(lambda: open_stores(sqlite_url))
    assert ask(database, "SELECT version_num FROM alembic_version") == [("0003",)]


def test_restored_record_is_that_of_the_backup_and_the_other_is_kept(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path
) -> None:
    store = open_stores(sqlite_url)
    create(store)
    append(store, SOME)
    back_up(database, file)
    append(store, SOME)
    store.close()
    left = database.with_name(".sessions.db.abcd1234.partial")
    left.write_text("what a restore that was killed has left")
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


def test_cursors_from_before_a_restore_are_unknown(
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


def test_restore_where_there_is_no_database(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path, tmp_path: Path
) -> None:
    create(open_stores(sqlite_url))
    back_up(database, file)
    elsewhere = tmp_path / "new.db"
    assert restore(file, elsewhere, now=START).replaced is None
    assert open_stores(f"sqlite:///{elsewhere}").get_status("s") == "running"


def test_restore_of_an_earlier_schema_is_migrated_by_the_next_start(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path
) -> None:
    make_database(f"sqlite:///{file}", "0003")
    restore(file, database, now=START)
    session = open_stores(sqlite_url).get_session("s1")
    assert session.last_seq == 3
    assert session.generation != "s1"


def test_restore_over_an_open_store_is_refused_and_names_its_process(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path
) -> None:
    store = open_stores(sqlite_url)
    create(store)
    back_up(database, file)
    said = refused(lambda: restore(file, database, now=START))
    assert f"process id {os.getpid()}:" in said
    assert "agent-session-manager stop" in said
    assert not list(database.parent.glob("*.replaced-*"))
    assert append(store, SOME) == [1]


@pytest.mark.parametrize("kind", ["damaged", "broken record", "no database", "none", "itself"])
def test_restore_of_what_is_not_whole_changes_nothing(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path, kind: str
) -> None:
    store = open_stores(sqlite_url)
    create(store)
    append(store, *[SOME] * 50)
    back_up(database, file)
    store.close()
    match kind:
        case "damaged":
            file.write_bytes(file.read_bytes()[:-4096] + b"\xff" * 4096)
        case "broken record":
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("DELETE FROM events WHERE seq = 7")
                connection.commit()
        case "no database":
            file.write_text("a text that is longer than what a header of a database has\n" * 9)
        case "none":
            file.unlink()
        case _:
            file = database
    before = names(database.parent), database.read_bytes()
    assert str(file) in refused(lambda: restore(file, database, now=START))
    assert (names(database.parent), database.read_bytes()) == before


def test_log_of_the_present_database_is_in_what_is_kept(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path
) -> None:
    leave_a_log(sqlite_url)
    back_up(database, file)
    done = restore(file, database, now=START)
    assert done.replaced is not None
    alone = done.replaced.with_name("alone.db")
    shutil.copyfile(done.replaced, alone)
    assert ask(alone, "SELECT count(*) FROM events") == [(50,)]
    assert open_stores(sqlite_url).get_session("s").last_seq == 50


def test_database_too_damaged_to_open_is_kept_with_its_log(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path
) -> None:
    leave_a_log(sqlite_url)
    back_up(database, file)
    database.write_bytes(b"\xff" * 4096)
    log = database.with_name("sessions.db-wal")
    log.write_bytes(b"what is left of a log")
    done = restore(file, database, now=START)
    assert done.replaced is not None
    assert done.replaced.read_bytes() == b"\xff" * 4096
    assert not log.exists()
    assert open_stores(sqlite_url).get_session("s").last_seq == 50


def test_database_that_is_being_read_is_not_replaced(
    sqlite_url: str, open_stores: OpenStores, database: Path, file: Path
) -> None:
    """Its reader would lose the log from under it."""
    leave_a_log(sqlite_url)
    back_up(database, file)
    with closing(sqlite3.connect(database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (50,)
        said = refused(lambda: restore(file, database, now=START))
        assert "being read" in said
    assert not list(database.parent.glob("*.replaced-*"))
    assert restore(file, database, now=START).replaced is not None

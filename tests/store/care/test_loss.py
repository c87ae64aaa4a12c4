"""Loss and change of data on the disk: detected, reported, and accepted only by a command."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import (
    CursorUnknownError,
    DiskFullError,
    EventDamagedError,
    StoreUnavailableError,
)
from agent_session_manager.sql.care.accept_loss import accept_loss
from agent_session_manager.sql.care.backup import back_up
from agent_session_manager.sql.care.readonly import reading_alone
from agent_session_manager.sql.care.restore import restore
from agent_session_manager.sql.care.safeguards import LOG_ALARM_BYTES
from agent_session_manager.sql.care.verify import verify
from agent_session_manager.sql.database.errors import DatabaseError, is_broken, refusal_of
from agent_session_manager.sql.database.file.head import read_head
from agent_session_manager.sql.store import SqlStore, open_store
from agent_session_manager.store.queries import EventFilter
from tests.store.conftest import OpenStores
from tests.store.promises.changes import append, create
from tests.store.promises.stepped_clock import SteppedClock
from tests.store.refusal import refusal
from tests.support.rows import each_row

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TEXT = "a text that is nowhere else in the file"


@pytest.fixture
def killed(sqlite_url: str, open_stores: OpenStores, tmp_path: Path) -> Path:
    """Make the files of a killed manager: three events in the database, two more in its WAL."""
    served = open_stores(sqlite_url)
    create(served)
    stop = {"event_type": "session_stop", "exit_code": 0}
    answer = {"role": "assistant", "content": [{"type": "text", "text": TEXT}]}
    append(served, {"event_type": "x"}, {"event_type": "message", **answer}, stop)
    served.rest()
    served.close()
    served = open_stores(sqlite_url)
    append(served, {"event_type": "x"})
    append(served, {"event_type": "x"})
    left = tmp_path / "left"
    left.mkdir()
    for path in tmp_path.glob("sessions.db*"):
        if not path.name.endswith(("-shm", ".lock")):
            shutil.copy(path, left)
    return left / "sessions.db"


def log_of(database: Path) -> Path:
    return database.with_name("sessions.db-wal")


def opened(database: Path) -> SqlStore:
    return open_store(f"sqlite:///{database}", clock=SteppedClock())


def change_text(database: Path) -> None:
    with closing(sqlite3.connect(database)) as other:
        change = "UPDATE events SET fields = replace(fields, 'text', 'test') WHERE seq = 2"
        assert other.execute(change).rowcount == 1
        other.commit()


def test_head_counts_acknowledged_commits_and_events(
    sqlite_store: SqlStore, database: Path
) -> None:
    create(sqlite_store)
    before = read_head(database)
    append(sqlite_store, {"event_type": "x"}, {"event_type": "x"})
    after = read_head(database)
    assert before is not None
    assert after is not None
    assert (after.commits - before.commits, after.events - before.events) == (1, 2)
    sqlite_store.get_session("s")
    assert read_head(database) == after


def test_lost_wal_is_reported_with_the_missing_commits(killed: Path) -> None:
    log_of(killed).unlink()
    assert "its last 2 commits are missing, and with them 2 events" in refusal(killed)
    _, problems = verify(killed)
    assert len(problems) == 1
    assert "its last 2 commits are missing" in problems[0]


def test_lost_database_is_not_created_again(killed: Path) -> None:
    killed.unlink()
    log_of(killed).unlink()
    assert "commits are missing" in refusal(killed)
    assert not killed.exists()
    assert accept_loss(killed, now=NOW).kept is None
    store = opened(killed)
    create(store)
    store.close()


def test_accepted_loss_keeps_a_copy_and_makes_readers_reload(killed: Path) -> None:
    with closing(sqlite3.connect(f"{killed.as_uri()}?mode=ro", uri=True)) as connection:
        generation, position = connection.execute(
            "SELECT generation, position FROM feed"
        ).fetchone()
    log_of(killed).unlink()
    done = accept_loss(killed, now=NOW)
    assert done.kept == killed.with_name("sessions.db.replaced-20261122T120000Z")
    assert len(done.losses) == 1
    store = opened(killed)
    try:
        assert store.get_session("s").last_seq == 3
        with pytest.raises(CursorUnknownError):
            store.feeds.read_changes(Cursor(generation=generation, number=position), limit=1)
        assert append(store, {"event_type": "x"}) == [4]
    finally:
        store.close()
    with pytest.raises(DatabaseError, match="nothing is missing"):
        accept_loss(killed, now=NOW)
    assert sorted(killed.parent.glob("*.replaced-*")) == [done.kept]


def test_changed_event_is_refused_until_its_loss_is_accepted(killed: Path) -> None:
    change_text(killed)
    assert "session 's': event 2 does not match its checksum" in refusal(killed)
    assert verify(killed)[1] == ["session 's': event 2 does not match its checksum"]
    accept_loss(killed, now=NOW)
    assert verify(killed)[1] == []
    store = opened(killed)
    try:
        events = store.list_events("s", EventFilter(), limit=9).events
        assert [event.event_type for event in events] == ["x", "damaged", "session_stop", "x", "x"]
        assert "damaged on the disk" in events[1].fields["error"]
    finally:
        store.close()


def test_event_changed_while_served_is_shown_as_damaged(
    sqlite_url: str, killed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened(killed)
    try:
        change_text(killed)
        with pytest.raises(EventDamagedError):
            store.get_result("s")
        _, (seen,) = store.feeds.read_session("s", after=1, limit=1)
        assert (seen.event_type, seen.seq) == ("damaged", 2)
        assert "event 2 of session 's' is damaged" in caplog.text
    finally:
        store.close()


def test_restored_backup_is_not_a_loss(killed: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    back_up(killed, backup)
    store = opened(killed)
    append(store, {"event_type": "x"})
    store.close()
    restore(backup, killed, now=NOW)
    opened(killed).close()


def test_damaged_head_does_not_block_an_intact_database(killed: Path) -> None:
    head = killed.with_name("sessions.db.head")
    head.write_bytes(head.read_bytes()[:20])
    opened(killed).close()
    assert read_head(killed) is not None


def test_long_read_makes_the_wal_grow_and_is_logged_once(
    sqlite_store: SqlStore, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    create(sqlite_store)
    with reading_alone(database) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchone()
        while log_of(database).stat().st_size <= LOG_ALARM_BYTES:
            append(sqlite_store, *[{"event_type": "x", "text": "x" * 2**20}] * 8)
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                sqlite_store.rest()
        assert caplog.text.count("does another program hold the database open") <= 1
        assert log_of(database).stat().st_size > LOG_ALARM_BYTES
    assert "does another program hold the database open" in caplog.text
    sqlite_store.rest()
    assert log_of(database).stat().st_size == 0


def test_only_the_writing_connection_checkpoints(
    sqlite_url: str, open_stores: OpenStores, database: Path, killed: Path, tmp_path: Path
) -> None:
    """Readers leave the WAL of a killed manager unchanged, even the last to close."""
    log = log_of(killed).read_bytes()
    verify(killed)
    back_up(killed, tmp_path / "copy.db")
    with reading_alone(killed) as connection:
        assert connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert log_of(killed).read_bytes() == log
    store = opened(killed)
    with store._database.reading.connect() as reading:
        assert reading.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar() == 0
        with pytest.raises(OperationalError):
            reading.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
    store.close()


def failure(code: int) -> OperationalError:
    cause = sqlite3.OperationalError("error text of the database")
    cause.sqlite_errorcode = code
    return OperationalError("INSERT", {}, cause)


@each_row(
    ("code", "kind", "ends"),
    [
        (sqlite3.SQLITE_FULL, DiskFullError, False),
        (sqlite3.SQLITE_IOERR_SHMSIZE, DiskFullError, False),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreUnavailableError, True),
        (sqlite3.SQLITE_IOERR_WRITE, StoreUnavailableError, True),
        (sqlite3.SQLITE_READONLY, StoreUnavailableError, False),
        (sqlite3.SQLITE_BUSY, StoreUnavailableError, False),
    ],
)
def test_database_errors_are_classified_by_code(code: int, kind: type[Any], ends: bool) -> None:
    error = failure(code)
    assert type(refusal_of(error)) is kind
    assert is_broken(error.orig) is ends


def test_full_disk_of_postgresql_is_a_disk_full_error() -> None:
    errors = pytest.importorskip("psycopg.errors")
    error = OperationalError("INSERT", {}, errors.DiskFull("no space"))
    assert type(refusal_of(error)) is DiskFullError

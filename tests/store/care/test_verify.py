"""Damage of a SQLite database is detected by `verify`, and when a manager opens it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent_session_manager.sql.care.verify import Contents, refuse_damaged, verify
from agent_session_manager.sql.database.engines.open import open_database
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.migrations.revisions import known_revisions
from agent_session_manager.sql.migrations.run import run_migrations
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import DeleteSession
from tests.store.foreign_database import make_foreign_database
from tests.store.promises.changes import append, create, made
from tests.store.promises.events import SOME
from tests.store.refusal import refusal
from tests.support.earlier_schema import make_database
from tests.support.rows import each_row

NEWEST = known_revisions()[-1]

PAGE = 4096


@pytest.fixture
def filled(sqlite_store: SqlStore, database: Path) -> Path:
    """Make a closed database with sessions, events and one deleted session."""
    for name in ("s", "gone", "other"):
        create(sqlite_store, name)
    append(sqlite_store, *[{"event_type": "some", "text": "x" * 200}] * 100)
    append(sqlite_store, SOME, session_id="other")
    made(sqlite_store, DeleteSession(session_id="gone"))
    sqlite_store.close()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("INSERT INTO transcripts VALUES (1, '/p', 't', '', 2, 1)")
        for position in (1, 2):
            entry = (1, position, None, 2, "{}")
            connection.execute("INSERT INTO transcript_entries VALUES (?, ?, ?, ?, ?)", entry)
        connection.commit()
    return database


def refusal_of_a_large_database(path: Path) -> str | None:
    opened = open_database(f"sqlite:///{path}")
    try:
        refuse_damaged(opened, whole_up_to=0)
    except DatabaseError as exc:
        return str(exc)
    finally:
        opened.close()
    return None


def test_database_of_the_store_is_valid(filled: Path) -> None:
    assert verify(filled) == (Contents(revision=NEWEST, sessions=2, events=101), [])
    assert refusal_of_a_large_database(filled) is None


def test_open_store_can_be_verified(sqlite_store: SqlStore, database: Path) -> None:
    create(sqlite_store)
    append(sqlite_store, SOME)
    assert verify(database) == (Contents(revision=NEWEST, sessions=1, events=1), [])
    assert append(sqlite_store, SOME) == [2]


def test_database_of_an_earlier_version_can_be_verified(sqlite_url: str, database: Path) -> None:
    first, *later = known_revisions()
    make_database(sqlite_url, first)
    found = {first: verify(database)}
    for revision in later:
        with closing(open_database(sqlite_url)) as opened, opened.writing.begin() as connection:
            run_migrations(connection, revision)
        found[revision] = verify(database)
    whole = {each: Contents(revision=each, sessions=1, events=3) for each in known_revisions()}
    assert found == {each: (contents, []) for each, contents in whole.items()}


def copied(database: Path, directory: Path) -> Path:
    """Copy a database and the files next to it to another directory."""
    for each in database.parent.glob(f"{database.name}*"):
        shutil.copy(each, directory)
    return directory / database.name


BROKEN = {
    "an event in the middle": (
        "DELETE FROM events WHERE seq = 50",
        "session 's': its events should be 1 to 100; there are 99, from 1 to 100",
    ),
    "the newest event": (
        "DELETE FROM events WHERE seq = 100",
        "session 's': its events should be 1 to 100; there are 99, from 1 to 99",
    ),
    "all events": (
        "DELETE FROM events",
        "session 'other': its events should be 1 to 1; there are 0, from None to None",
    ),
    "too many events": (
        "UPDATE sessions SET last_seq = 99 WHERE session_id = 's'",
        "session 's': its events should be 1 to 99; there are 100, from 1 to 100",
    ),
    "another first event": (
        "UPDATE events SET seq = 0 WHERE seq = 1 AND session_number = 1",
        "session 's': its events should be 1 to 100; there are 100, from 0 to 100",
    ),
    "a run": ("DELETE FROM runs WHERE session_number = 1", "session 's': its run 1 is missing"),
    "a session": (
        "DELETE FROM sessions WHERE session_id = 's'",
        "events: row 1 belongs to no row of sessions",
    ),
    "an entry": (
        "DELETE FROM transcript_entries WHERE position = 1",
        "transcript of 't': it should have the entries 1 to 2; there are 1",
    ),
    "the feed": ("DELETE FROM feed", "the feed should have one row, and has 0"),
    "a second feed": (
        "INSERT INTO feed VALUES ('x', 99, 0, 0)",
        "the feed should have one row, and has 2",
    ),
    "the end of the feed": (
        "UPDATE feed SET position = 5",
        "the feed is at position 5, and a change has position 8",
    ),
    "the deletion": (
        "UPDATE deleted_sessions SET position = 99",
        "the feed is at position 9, and a change has position 99",
    ),
}


@each_row("what", BROKEN)
def test_incomplete_record_is_reported(filled: Path, tmp_path: Path, what: str) -> None:
    statement, text = BROKEN[what]
    filled = copied(filled, tmp_path)
    with closing(sqlite3.connect(filled)) as connection:
        assert connection.execute(statement).rowcount > 0
        connection.commit()
    assert text in verify(filled)[1]


def test_index_that_disagrees_with_its_table_is_reported(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        statement = "DELETE FROM sqlite_master WHERE name = 'ix_sessions_parent'"
        connection.execute(statement)
        connection.commit()
    assert verify(filled)[1] != []


def test_each_destroyed_page_is_detected_before_any_write(filled: Path, tmp_path: Path) -> None:
    content = filled.read_bytes()
    pages = len(content) // PAGE
    assert pages > 20
    for page in range(pages):
        at = page * PAGE + (100 if page == 0 else 0)  # after the header of the file
        damaged = content[:at] + b"\xff" * 16 + content[at + 16 :]
        path = tmp_path / f"page-{page}.db"
        path.touch(0o600)
        path.write_bytes(damaged)
        assert verify(path)[1] != [], page
        said = refusal(path)
        assert str(path) in said
        assert "agent-session-manager verify" in said
        assert "agent-session-manager restore FILE" in said
        assert path.read_bytes() == damaged


@each_row(
    "damage",
    [
        lambda content: b"\xff" * 16 + content[16:],
        lambda content: content[:16] + b"\xff" * 84 + content[100:],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-PAGE],
        lambda content: content[:200],
    ],
    ids=["no header", "header", "half", "a page less", "the beginning"],
)
def test_wrong_header_or_length_is_detected_on_a_partial_read(
    filled: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    filled = copied(filled, tmp_path)
    damaged = damage(filled.read_bytes())
    filled.write_bytes(damaged)
    assert verify(filled)[1] != []
    assert str(filled) in refusal(filled)
    assert filled.read_bytes() == damaged


def test_start_checks_the_small_tables_of_a_large_database(filled: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection:
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_master").fetchall())
    content = filled.read_bytes()

    def seen(table: str) -> bool:
        at = (roots[table] - 1) * PAGE
        path = tmp_path / f"{table}.db"
        path.touch(0o600)
        path.write_bytes(content[:at] + b"\xff" * 16 + content[at + 16 :])
        return refusal_of_a_large_database(path) is not None

    assert {table for table in ("sessions", "runs", "feed", "requests") if seen(table)} == {
        "sessions",
        "runs",
        "feed",
        "requests",
    }
    assert not seen("transcript_entries"), "the start reads a large table; only verify should"
    half = tmp_path / "half.db"
    half.touch(0o600)
    half.write_bytes(content[: len(content) // 2])
    assert refusal_of_a_large_database(half) is not None


def test_check_of_a_damaged_database_does_not_checkpoint(
    filled_store: SqlStore, database: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    shutil.copy(database, copy)
    shutil.copy(f"{database}-wal", f"{copy}-wal")
    damaged = b"\xff" * 100 + copy.read_bytes()[100:]
    copy.write_bytes(damaged)
    log = Path(f"{copy}-wal").read_bytes()
    refusal(copy)
    assert copy.read_bytes() == damaged
    assert Path(f"{copy}-wal").read_bytes() == log


def test_missing_and_foreign_files_fail_verification(database: Path) -> None:
    with pytest.raises(DatabaseError, match="no database at"):
        verify(database)
    assert not database.exists()
    make_foreign_database(database)
    contents, (problem,) = verify(database)
    assert contents is None
    assert problem.startswith(f"{database} is not a database of agent-session-manager: its schema")


def test_database_of_a_newer_version_is_not_checked(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
        connection.commit()
    (problem,) = verify(filled)[1]
    assert "newer agent-session-manager" in problem

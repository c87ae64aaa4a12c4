"""The files of a SQLite database, and files that are not a database."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

from tests.store.conftest import OpenStores, path_of, sqlite_url_in
from tests.store.promises.changes import append, create
from tests.store.promises.events import SOME
from tests.store.refusal import refusal
from tests.support.rows import each_row


def test_sqlite_files_are_private(sqlite_url: str, open_stores: OpenStores) -> None:
    before = os.umask(0)
    try:
        store = open_stores(sqlite_url)
        create(store)
    finally:
        os.umask(before)
    files = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in path_of(sqlite_url).parent.iterdir()
    }
    assert files == {
        "sessions.db": 0o600,
        "sessions.db-shm": 0o600,
        "sessions.db-wal": 0o600,
        "sessions.db.ballast": 0o600,
        "sessions.db.head": 0o600,
        "sessions.db.lock": 0o600,
    }


@each_row("suffix", ["", ".lock"])
def test_sqlite_file_or_lock_that_is_a_link_is_refused(tmp_path: Path, suffix: str) -> None:
    sqlite_url = sqlite_url_in(tmp_path)
    path = path_of(sqlite_url)
    elsewhere = path.with_name("elsewhere")
    elsewhere.touch(0o600)
    path.with_name(path.name + suffix).symlink_to(elsewhere)
    assert f"{path}{suffix}: it is a link" in refusal(sqlite_url)
    assert elsewhere.read_bytes() == b""


@each_row(
    "content",
    [b"x", b"precious text\n" * 300, b"SQLite format 2\0" + b"\0" * 4080, b"\0" * 4096],
    ids=["one byte", "text", "another format", "zeros"],
)
def test_file_that_is_not_a_database_is_refused_and_unchanged(
    tmp_path: Path, content: bytes
) -> None:
    sqlite_url = sqlite_url_in(tmp_path)
    path = path_of(sqlite_url)
    path.touch(0o600)
    path.write_bytes(content)
    assert "is not a database" in refusal(sqlite_url)
    assert path.read_bytes() == content


def test_damaged_database_is_refused_and_unchanged(
    sqlite_url: str, open_stores: OpenStores
) -> None:
    open_stores(sqlite_url).close()
    path = path_of(sqlite_url)
    content = path.read_bytes()
    damaged = content[:16] + b"\xff" * 84 + content[100:]
    path.write_bytes(damaged)
    assert str(path) in refusal(sqlite_url)
    assert path.read_bytes() == damaged


def test_database_of_another_program_is_refused_and_unchanged(sqlite_url: str) -> None:
    path = path_of(sqlite_url)
    path.touch(0o600)
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE sessions (mine TEXT)")
    other.execute("INSERT INTO sessions VALUES ('precious')")
    other.commit()
    other.close()
    assert str(path) in refusal(sqlite_url)
    other = sqlite3.connect(path)
    assert other.execute("SELECT * FROM sessions").fetchall() == [("precious",)]
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("sessions",)]
    other.close()


@each_row("content", [b"", None], ids=["empty", "none"])
def test_empty_file_becomes_a_database(
    tmp_path: Path, open_stores: OpenStores, content: bytes | None
) -> None:
    sqlite_url = sqlite_url_in(tmp_path)
    if content is not None:
        path_of(sqlite_url).touch(0o600)
        path_of(sqlite_url).write_bytes(content)
    assert create(open_stores(sqlite_url)).session_id == "s"


def test_directory_is_not_a_database(sqlite_url: str) -> None:
    path_of(sqlite_url).mkdir()
    assert "directory" in refusal(sqlite_url)


def test_closed_store_leaves_one_complete_file(sqlite_url: str, open_stores: OpenStores) -> None:
    store = open_stores(sqlite_url)
    create(store)
    append(store, *[SOME] * 100)
    store.get_session("s")
    store.close()
    path = path_of(sqlite_url)
    assert not path.with_name(path.name + "-wal").exists()
    kept = sqlite3.connect(path)
    assert kept.execute("SELECT count(*) FROM events").fetchone() == (100,)
    kept.close()

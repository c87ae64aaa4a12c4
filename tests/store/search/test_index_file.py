"""The index of a SQLite database is a file that can be deleted, damaged or replaced at any time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.search import words
from agent_session_manager.sql.care.backup import back_up
from agent_session_manager.sql.care.restore import restore
from agent_session_manager.sql.care.verify import verify
from agent_session_manager.sql.search.sqlite import file as sqlite_file
from agent_session_manager.sql.search.sqlite import reading as sqlite_reading
from agent_session_manager.sql.search.sqlite import writer as sqlite_writer
from agent_session_manager.sql.search.sqlite.file import index_files, index_path
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import DeleteSession
from agent_session_manager.store.search import IndexPausedError
from tests.store.conftest import OpenStores
from tests.store.promises.changes import append, create, made
from tests.store.promises.events import says
from tests.store.promises.stepped_clock import START
from tests.store.search.searching import find, index, pages, seqs


@pytest.fixture
def indexed(sqlite_store: SqlStore) -> SqlStore:
    """Return a store with an index of two events."""
    create(sqlite_store)
    append(sqlite_store, says("needle"), says("hay needle"))
    index(sqlite_store)
    return sqlite_store


def execute(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(index_path(database), isolation_level=None)) as connection:
        connection.execute(statement)


def test_no_file_is_created_before_the_first_indexing(
    sqlite_store: SqlStore, database: Path
) -> None:
    assert find(sqlite_store, "needle").hits == []
    assert not index_path(database).exists()


def test_file_is_private(indexed: SqlStore, database: Path) -> None:
    assert [file.stat().st_mode & 0o777 for file in index_files(database)] == [0o600] * 3


def test_damaged_name_is_indexed_as_far_as_it_is_text(
    sqlite_store: SqlStore, database: Path
) -> None:
    create(sqlite_store, session_name="plan")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE sessions SET session_name = X'6e65775fff'")
    append(sqlite_store, says("needle"))
    index(sqlite_store)
    assert len(find(sqlite_store, "needle").hits) == 1


def overwrite(database: Path) -> None:
    index_path(database).write_bytes(b"not a database" * 1000)


def truncate(database: Path) -> None:
    index_path(database).write_bytes(b"")


def cut(database: Path) -> None:
    file = index_path(database)
    file.write_bytes(file.read_bytes()[:5000])


def delete(database: Path) -> None:
    for file in index_files(database):
        file.unlink(missing_ok=True)


def age(database: Path) -> None:
    execute(database, "UPDATE state SET extractor = 0")


def replace(database: Path) -> None:
    execute(database, "UPDATE state SET generation = 'other'")


def go_ahead(database: Path) -> None:
    execute(database, "UPDATE state SET position = 99")


def empty_state(database: Path) -> None:
    execute(database, "DELETE FROM state")


def drop_words(database: Path) -> None:
    execute(database, "DROP TABLE texts")


def add_code(database: Path) -> None:
    execute(
        database,
        "CREATE TRIGGER t AFTER INSERT ON texts BEGIN DELETE FROM texts; END",
    )


@pytest.mark.parametrize(
    "harm",
    [
        *(overwrite, truncate, cut, delete, age, replace, go_ahead, empty_state, drop_words),
        add_code,
    ],
    ids=lambda harm: harm.__name__,
)
def test_unusable_file_is_replaced(
    indexed: SqlStore,
    sqlite_url: str,
    database: Path,
    open_stores: OpenStores,
    harm: Callable[[Path], None],
) -> None:
    indexed.close()
    harm(database)
    store = open_stores(sqlite_url)
    append(store, says("one more needle"))
    for _ in range(3):  # damage may be found only by the first write
        try:
            index(store)
            break
        except StoreUnavailableError:
            continue
    assert seqs(store, "needle") == [3, 2, 1]


@pytest.mark.parametrize("harm", [overwrite, age, replace, empty_state])
def test_unusable_file_is_not_searched(
    indexed: SqlStore,
    sqlite_url: str,
    database: Path,
    open_stores: OpenStores,
    harm: Callable[[Path], None],
) -> None:
    indexed.close()
    harm(database)
    page = find(open_stores(sqlite_url), "needle")
    assert (page.hits, page.indexed_through, page.newest) == ([], 0, 2)


def test_file_that_others_can_read_is_refused(
    indexed: SqlStore, sqlite_url: str, database: Path, open_stores: OpenStores
) -> None:
    indexed.close()
    index_path(database).chmod(0o644)
    with pytest.raises(StoreUnavailableError):
        index(open_stores(sqlite_url))


def test_link_in_place_of_file_is_not_followed(
    sqlite_store: SqlStore, database: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("precious")
    index_path(database).symlink_to(other)
    with pytest.raises(StoreUnavailableError):
        index(sqlite_store)
    assert other.read_text() == "precious"


def test_restored_database_has_its_own_index(
    indexed: SqlStore, sqlite_url: str, database: Path, tmp_path: Path, open_stores: OpenStores
) -> None:
    back_up(database, tmp_path / "backup.db")
    append(indexed, says("lost needle"))
    index(indexed)
    indexed.close()
    restore(tmp_path / "backup.db", database, now=START)
    assert [file.exists() for file in index_files(database)] == [False] * 3
    store = open_stores(sqlite_url)
    append(store, says("other hay"))
    assert index(store) == 3
    assert seqs(store, "needle") == [2, 1]


def test_backup_and_verification_ignore_the_index(
    indexed: SqlStore, database: Path, tmp_path: Path
) -> None:
    overwrite(database)
    back_up(database, tmp_path / "backup.db")
    _, problems = verify(database)
    assert problems == []
    assert not index_path(tmp_path / "backup.db").exists()


def test_words_of_deleted_session_leave_the_file(indexed: SqlStore, database: Path) -> None:
    create(indexed, "secret", session_name="codename zebra")
    append(indexed, *(says(f"xylophone {number}") for number in range(3)), session_id="secret")
    index(indexed)
    made(indexed, DeleteSession(session_id="secret"))
    index(indexed)
    indexed.close()
    execute(database, "PRAGMA wal_checkpoint(TRUNCATE)")
    content = index_path(database).read_bytes()
    assert b"needle" in content
    for word in (b"xylophone", b"zebra", b"codename"):
        assert word not in content


def test_large_deleted_session_is_removed_in_steps(
    indexed: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "REMOVED_AT_ONCE", 2)
    create(indexed, "t")
    append(indexed, *[says("needle")] * 5, session_id="t")
    index(indexed)
    made(indexed, DeleteSession(session_id="t"))
    index(indexed)
    assert find(indexed, "needle").considered == 2


def test_search_and_deletion_span_shards(
    sqlite_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sqlite_file, sqlite_writer, sqlite_reading):
        monkeypatch.setattr(module, "SHARD_NUMBERS", 4)
    store = sqlite_store
    for name in "ab":
        create(store, name)
        append(store, *[says("needle")] * 7, session_id=name)
    index(store)
    expected = [("b", seq) for seq in range(7, 0, -1)] + [("a", seq) for seq in range(7, 0, -1)]
    assert sum(pages(store, "needle", limit=3), []) == expected
    made(store, DeleteSession(session_id="a"))
    index(store)
    page = find(store, "needle")
    assert (len(page.hits), page.considered) == (7, 7)


@pytest.mark.parametrize(
    ("code", "expected"),
    [(sqlite3.SQLITE_FULL, IndexPausedError), (sqlite3.SQLITE_IOERR, StoreUnavailableError)],
)
def test_failed_step_fails_only_the_index(
    indexed: SqlStore, monkeypatch: pytest.MonkeyPatch, code: int, expected: type[Exception]
) -> None:
    def fail(text: str) -> words.IndexedText:
        error = sqlite3.OperationalError("it failed")
        error.sqlite_errorcode = code
        raise error

    append(indexed, says("needle"))
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_writer, "index_text", fail)
        with pytest.raises(expected):
            index(indexed)
    assert seqs(indexed, "needle") == [2, 1]
    index(indexed)
    assert seqs(indexed, "needle") == [3, 2, 1]

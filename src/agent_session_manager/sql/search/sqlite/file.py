"""The file of the search index of a SQLite database.

The file is derived from the database. If it is missing, damaged, made for another generation of the
database or by another version of the extractor, the index begins again with an empty file. So
deleting the file repairs it. Words are in one table for each 1,000,000 events, a shard: this
bounds the time of a query without matches, of a merge, and of the ranking.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from agent_session_manager.search.extract import EXTRACTOR, MAX_TEXTS
from agent_session_manager.sql.database.engines.sqlite import (
    BUSY_TIMEOUT_SECONDS,
    LOG_KEPT_BYTES,
    distrust,
    prepare_sqlite_reader,
)
from agent_shared.private_files import check_private, open_private

logger = logging.getLogger(__name__)

SHARD_NUMBERS = 1_000_000 * MAX_TEXTS
NAMES = -1
PARTS = -2
"""The tables of the words of names, and of the parts of filtered texts, in the list of shards."""
_OF_NAMES = {NAMES: "name_words", PARTS: "name_parts"}
_SUFFIXES = ("-wal", "-shm", "")
"""In the order of their removal: a log without its file is of no use."""
_UNUSABLE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY = 0xFF
_HASH_BYTES = 8 * 1024 * 1024
"""Words that FTS5 collects in memory, so that it writes once for each batch."""
_CACHE_KIB = 8 * 1024
_TABLES = (
    """CREATE TABLE state (
        generation TEXT NOT NULL, extractor INTEGER NOT NULL, position INTEGER NOT NULL,
        names INTEGER NOT NULL, deletions INTEGER NOT NULL
    )""",
    """CREATE TABLE texts (
        number INTEGER PRIMARY KEY, session INTEGER NOT NULL, occurred_at INTEGER NOT NULL,
        body BLOB NOT NULL
    )""",
    "CREATE INDEX ix_texts_session ON texts (session)",
    """CREATE TABLE names (
        session INTEGER PRIMARY KEY, name TEXT NOT NULL, filtered TEXT NOT NULL
    )""",
    # Deleted sessions whose words are still in the index.
    "CREATE TABLE gone (session INTEGER PRIMARY KEY)",
    # `is_loose` is 1 if words were removed, or the shard is full, since it was last merged.
    "CREATE TABLE shards (shard INTEGER PRIMARY KEY, is_loose INTEGER NOT NULL)",
    """CREATE VIRTUAL TABLE name_words
        USING fts5(body, humps, content='', tokenize='ascii', prefix='3')""",
    """CREATE VIRTUAL TABLE name_parts
        USING fts5(parts, content='', tokenize='ascii', detail='none', columnsize='0')""",
)
_WORDS = """CREATE VIRTUAL TABLE {0}
    USING fts5(body, humps, facets, content='', tokenize='ascii', prefix='3')"""


@dataclass(frozen=True, kw_only=True)
class State:
    """The position of an index in events, in changes of sessions, and in deletions."""

    generation: str
    extractor: int
    position: int
    names: int
    deletions: int


def index_path(database: Path) -> Path:
    return database.with_name(database.name + ".search")


def remove_index(database: Path) -> None:
    """Delete the index of a database that no manager serves."""
    for file in index_files(database):
        file.unlink(missing_ok=True)


def index_files(database: Path) -> list[Path]:
    path = index_path(database)
    return [path.with_name(path.name + suffix) for suffix in _SUFFIXES]


def words_table(shard: int) -> str:
    return _OF_NAMES.get(shard) or f"words_{shard}"


def is_unusable(error: sqlite3.Error) -> bool:
    """Return whether the file is damaged or not an index, so that it must begin again."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    return code in _UNUSABLE or "no such table" in str(error) or "no such column" in str(error)


def open_to_write(database: Path, generation: str, newest: int) -> sqlite3.Connection:
    """Open the index of a generation of the database; begin an empty one if it does not fit.

    `newest` is the highest event number that the database has used.

    Raises:
        OSError: the file cannot be created, or is not private.
        sqlite3.Error: the file cannot be written.
    """
    is_new = not index_path(database).exists()
    connection = _connect(database)
    try:
        problem = _problem(connection, generation, newest)
    except sqlite3.Error as exc:
        if not is_unusable(exc):
            connection.close()
            raise
        problem = str(exc)
    if problem is None:
        return connection
    connection.close()
    if not is_new:
        logger.info("the search index begins again: %s", problem)
    remove_index(database)
    connection = _connect(database)
    try:
        _create(connection, generation)
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(database: Path, generation: str) -> sqlite3.Connection | None:
    """Open the index for reading; None if this generation of the database has no index."""
    path = index_path(database)
    if not path.exists():
        return None
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None
    )
    try:
        prepare_sqlite_reader(connection, None)
        connection.execute("BEGIN").close()  # one state of the index for all reads
        state = read_state(connection)
        if state is not None and (state.generation, state.extractor) == (generation, EXTRACTOR):
            return connection
    except sqlite3.Error as exc:
        connection.close()
        if not is_unusable(exc):
            raise
        return None
    connection.close()
    return None


def read_state(connection: sqlite3.Connection) -> State | None:
    row = connection.execute(
        "SELECT generation, extractor, position, names, deletions FROM state"
    ).fetchone()
    if row is None:
        return None
    generation, extractor, position, names, deletions = row
    return State(
        generation=str(generation),
        extractor=int(extractor),
        position=int(position),
        names=int(names),
        deletions=int(deletions),
    )


def list_shards(connection: sqlite3.Connection) -> list[int]:
    """Return the shards of texts, the newest first."""
    found = connection.execute("SELECT shard FROM shards WHERE shard >= 0 ORDER BY shard DESC")
    return [int(shard) for (shard,) in found]


def add_shard(connection: sqlite3.Connection, shard: int) -> None:
    """Create the table of a shard. The earlier shards are full, so they are merged when idle."""
    connection.execute(_WORDS.format(words_table(shard)))
    _collect_in_memory(connection, words_table(shard))
    connection.execute("UPDATE shards SET is_loose = 1 WHERE shard >= 0")
    connection.execute("INSERT INTO shards VALUES (?, 0)", (shard,))


def _problem(connection: sqlite3.Connection, generation: str, newest: int) -> str | None:
    """Return why the file cannot be used, or None."""
    state = read_state(connection)
    if state is None:
        return "it is empty"
    if state.generation != generation:
        return "it was made for another state of the database"
    if state.extractor != EXTRACTOR:
        return "it was made by another version"
    if state.position > newest:
        return "it is ahead of the database"
    active = "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view')"
    if connection.execute(active).fetchone() is not None:
        return "it has code that no version of ours creates"
    return None


def _connect(database: Path) -> sqlite3.Connection:
    path = index_path(database)
    for file in index_files(database):
        check_private(file)
    if not path.exists():  # closing an existing file would release the locks of its readers
        os.close(open_private(path))
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        distrust(connection)
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "secure_delete = ON",
            f"cache_size = -{_CACHE_KIB}",
            f"journal_size_limit = {LOG_KEPT_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()
    except sqlite3.Error as exc:
        if not is_unusable(exc):
            connection.close()
            raise
        # `open_to_write` finds the same error when it reads the state.
    return connection


def _create(connection: sqlite3.Connection, generation: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES:
        connection.execute(statement)
    for shard in _OF_NAMES:
        _collect_in_memory(connection, words_table(shard))
        connection.execute("INSERT INTO shards VALUES (?, 0)", (shard,))
    connection.execute("INSERT INTO state VALUES (?, ?, 0, 0, 0)", (generation, EXTRACTOR))
    connection.execute("COMMIT")


def _collect_in_memory(connection: sqlite3.Connection, table: str) -> None:
    connection.execute(f"INSERT INTO {table}({table}, rank) VALUES ('hashsize', ?)", (_HASH_BYTES,))

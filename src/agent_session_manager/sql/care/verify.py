"""Checks of a SQLite database: its pages, its references, and the record in it.

A check uses one consistent view from a read-only connection, so a manager can serve the database
during the check. Checksums and the head show damage that SQLite does not detect: changed bytes in
an event, and a lost end of the WAL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from agent_session_manager.sql.care.readonly import reading_alone
from agent_session_manager.sql.care.sums import SHOWN_OF_A_KIND, wrong_sums
from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.database.file.foreign_text import read_text
from agent_session_manager.sql.database.file.head import loss, read_head, read_reached, refusal
from agent_session_manager.sql.migrations.revisions import known_revisions
from agent_session_manager.sql.schema.checksums import damaged_events
from agent_shared.plurals import counted

CHECKED_WHOLE_BYTES = 256 * 1024 * 1024
"""Databases up to this size are read completely at each start, which takes 2 s per GB."""
CHECKED_EVENTS_BYTES = 64 * 1024 * 1024
"""Size of the newest events in a larger database whose checksums are checked at each start."""
LARGE_TABLES = ("events", "transcript_entries")
_TEXTS = ("TEXT", "VARCHAR")


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The contents of a database, as numbers."""

    revision: str
    sessions: int
    events: int

    def __str__(self) -> str:
        return f"{counted(self.sessions, 'session')} and {counted(self.events, 'event')}"


@dataclass(frozen=True, kw_only=True)
class _Invariant:
    """A rule of the record: each row of `statement` breaks it; `text` formats the message."""

    since: str
    statement: str
    text: str


_INVARIANTS = (
    _Invariant(
        since="0001",
        statement="""
            SELECT session_id, last_seq, count(seq), min(seq), max(seq) FROM sessions
            LEFT JOIN events ON events.session_number = sessions.number GROUP BY sessions.number
            HAVING count(seq) <> last_seq OR min(seq) <> 1 OR max(seq) <> last_seq
        """,
        text="session {0!r}: its events should be 1 to {1}; there are {2}, from {3} to {4}",
    ),
    _Invariant(
        since="0001",
        statement="""
            SELECT session_id, last_run FROM sessions WHERE NOT EXISTS (
                SELECT 1 FROM runs WHERE session_number = number AND run = last_run
            )
        """,
        text="session {0!r}: its run {1} is missing",
    ),
    _Invariant(
        since="0003",
        statement="""
            SELECT session_id, last_position, count(position) FROM transcripts
            LEFT JOIN transcript_entries ON transcript_number = number GROUP BY number
            HAVING count(position) <> last_position OR min(position) <> 1
                OR max(position) <> last_position
        """,
        text="transcript of {0!r}: it should have the entries 1 to {1}; there are {2}",
    ),
    _Invariant(
        since="0004",
        statement="SELECT count(*) FROM feed HAVING count(*) <> 1",
        text="the feed should have one row, and has {0}",
    ),
    _Invariant(
        since="0004",
        statement="""
            SELECT feed.position, newest.position FROM feed, (
                SELECT max(changed_position) AS position FROM sessions
                UNION ALL SELECT max(position) FROM deleted_sessions
            ) AS newest WHERE newest.position > feed.position
        """,
        text="the feed is at position {0}, and a change has position {1}",
    ),
)


def verify(path: Path) -> tuple[Contents | None, list[str]]:
    """Return the contents of a database, and all problems found in it.

    Raises:
        DatabaseError: the file does not exist.
    """
    problems: list[str] = []
    contents = None
    try:
        head = read_head(path)  # first, because a manager may commit during the check
        with reading_alone(path) as connection:
            connection.text_factory = read_text
            connection.execute("BEGIN")
            problems += damage(connection)
            missing = loss(head, read_reached(connection))
            problems += [] if missing is None else [f"acknowledged commits are lost: {missing}"]
            contents = read_contents(connection, path)
            problems += broken(connection, contents.revision)
            problems += wrong_sums(connection)
            problems += map(str, islice(damaged_events(connection), SHOWN_OF_A_KIND))
            problems += islice(_no_text(connection), SHOWN_OF_A_KIND)
    except (DatabaseError, sqlite3.DatabaseError) as exc:
        if not path.is_file():
            raise
        problems.append(str(exc))
    return contents, problems


def damage(connection: sqlite3.Connection) -> list[str]:
    """Return the problems that SQLite finds in its pages and indexes."""
    return list(_said(connection, "integrity_check"))


def read_contents(connection: sqlite3.Connection, path: Path) -> Contents:
    """Count the sessions and events in a database.

    Raises:
        DatabaseError: the database is not one of this program, or of a newer version.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if "alembic_version" not in tables:
        raise DatabaseError(f"{path} is not a database of agent-session-manager")
    revision = connection.execute("SELECT max(version_num) FROM alembic_version").fetchone()[0]
    if revision not in known_revisions():
        raise DatabaseError(
            f"{path} has the schema {revision!r}, which this version does not know: "
            "was it written by a newer agent-session-manager?"
        )
    # sum(1) instead of count(*), which is one step and so escapes the limit of steps.
    sessions, events = (
        connection.execute(f"SELECT coalesce(sum(1), 0) FROM {table}").fetchone()[0]
        for table in ("sessions", "events")
    )
    return Contents(revision=revision, sessions=sessions, events=events)


def refuse_damaged(database: Database, *, whole_up_to: int = CHECKED_WHOLE_BYTES) -> None:
    """Check a SQLite database before the first connection that could change it.

    Of a database larger than `whole_up_to`, only a part is checked: its header, its length, its
    small tables and its newest events.

    Raises:
        DatabaseError: the database is damaged; it was not changed.
    """
    path = database.path
    if path is None:
        return
    missing = None
    try:
        with reading_alone(path) as connection:
            connection.text_factory = read_text
            found = list(_damage_at_start(connection, path.stat().st_size <= whole_up_to))
            if not found:
                missing = loss(read_head(path), read_reached(connection))
    except OSError as exc:
        raise DatabaseError(f"cannot use {path}: {exc.strerror}") from exc
    except sqlite3.OperationalError as exc:
        raise DatabaseError(f"cannot use {path}: {exc}") from exc
    except sqlite3.DatabaseError as exc:
        found = [str(exc)]
    if found:
        raise DatabaseError(
            f"{path} is damaged ({found[0]}); it was not changed. "
            "To list all problems: agent-session-manager verify; "
            "to restore a backup: agent-session-manager restore FILE; "
            "to continue without unreadable events: agent-session-manager accept-loss"
        )
    if missing is not None:
        raise DatabaseError(refusal(path, missing))


def _damage_at_start(connection: sqlite3.Connection, is_whole: bool) -> Iterator[str]:
    checks = ["quick_check"]
    if not is_whole:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        checks = [f'quick_check("{name}")' for (name,) in tables if name not in LARGE_TABLES]
    for check in checks:
        yield from _said(connection, check)
    most = None if is_whole else CHECKED_EVENTS_BYTES
    yield from map(str, damaged_events(connection, max_bytes=most))


def _no_text(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield a problem for each text column without UTF-8 text. Events have checksums instead."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        described = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
        names = [name for _, name, kind, *_ in described if kind.startswith(_TEXTS)]
        if table == "events" or not names:
            continue
        columns = ", ".join(f'"{name}"' for name in names)
        for row, *values in connection.execute(f'SELECT rowid, {columns} FROM "{table}"'):
            for name, value in zip(names, values, strict=True):
                if value is not None and not isinstance(value, str):
                    yield f"{table}: row {row} has something in {name} that is not text in UTF-8"


def _said(connection: sqlite3.Connection, check: str) -> Iterator[str]:
    """Yield the problems that a check of SQLite finds, line by line."""
    for (said,) in connection.execute(f"PRAGMA {check}"):
        for line in str(said).splitlines():
            if line != "ok" and not line.startswith("***"):  # a heading
                yield line


def broken(connection: sqlite3.Connection, revision: str) -> Iterator[str]:
    """Yield the problems in references, and those in the record."""
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"{table}: row {row} belongs to no row of {parent}"
    revisions = known_revisions()
    for invariant in _INVARIANTS:
        if revisions.index(revision) >= revisions.index(invariant.since):
            found = connection.execute(invariant.statement).fetchmany(SHOWN_OF_A_KIND)
            yield from (invariant.text.format(*row) for row in found)

"""Whether a SQLite database is what it should be: its pages, its references, and our record in it.

Reads of one moment, from a connection that cannot write, so a manager may serve meanwhile. What
SQLite cannot see is held to checksums and to the head: bytes inside an event that were changed on
the disk, and the end of a log that was lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from agent_session_manager.sql.care.readonly import reading_alone
from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.database.foreign_text import read_text
from agent_session_manager.sql.database.head import loss, read_head, read_reached, refusal
from agent_session_manager.sql.migrations.revisions import known_revisions
from agent_session_manager.sql.schema.checksums import damaged_events

CHECKED_WHOLE_BYTES = 256 * 1024 * 1024
"""How large a database may be to be read whole at each start, which takes 2 s for each GB."""
CHECKED_EVENTS_BYTES = 64 * 1024 * 1024
"""How much of the newest events of a larger one is held to its checksums at each start."""
LARGE_TABLES = ("events", "transcript_entries")
_SHOWN_OF_A_KIND = 20
_TEXTS = ("TEXT", "VARCHAR")


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What is in a database."""

    revision: str
    sessions: int
    events: int

    def __str__(self) -> str:
        return f"{self.sessions} sessions and {self.events} events"


@dataclass(frozen=True, kw_only=True)
class _Invariant:
    """What must not be found: rows of `statement`, each told in the words of `text`."""

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
    """Say what is in a database, and all that is wrong with it.

    Raises:
        DatabaseError: there is no such file.
    """
    problems: list[str] = []
    contents = None
    try:
        head = read_head(path)  # before the rest: a manager that serves moves on meanwhile
        with reading_alone(path) as connection:
            connection.text_factory = read_text
            connection.execute("BEGIN")
            problems += damage(connection)
            missing = loss(head, read_reached(connection))
            problems += [] if missing is None else [f"what was acknowledged is lost: {missing}"]
            contents = read_contents(connection, path)
            problems += broken(connection, contents.revision)
            problems += map(str, islice(damaged_events(connection), _SHOWN_OF_A_KIND))
            problems += islice(_no_text(connection), _SHOWN_OF_A_KIND)
    except (DatabaseError, sqlite3.DatabaseError) as exc:
        if not path.is_file():
            raise
        problems.append(str(exc))
    return contents, problems


def damage(connection: sqlite3.Connection) -> list[str]:
    """What SQLite itself says of its pages and indexes."""
    return list(_said(connection, "integrity_check"))


def read_contents(connection: sqlite3.Connection, path: Path) -> Contents:
    """Count what is in a database of ours.

    Raises:
        DatabaseError: it is somebody else's.
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
    # Row by row: count(*) is one step, however many rows there are.
    sessions, events = (
        connection.execute(f"SELECT coalesce(sum(1), 0) FROM {table}").fetchone()[0]
        for table in ("sessions", "events")
    )
    return Contents(revision=revision, sessions=sessions, events=events)


def refuse_damaged(database: Database, *, whole_up_to: int = CHECKED_WHOLE_BYTES) -> None:
    """Look at a SQLite database before the first connection that could change it.

    A larger one is not read whole: its header, its length and its small tables are.

    Raises:
        DatabaseError: it is damaged; it was left as it is.
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
            f"{path} is damaged ({found[0]}); it was left as it is. "
            "All that is wrong with it: agent-session-manager verify; "
            "to put a backup in its place: agent-session-manager restore FILE; "
            "to go on without events that cannot be read: agent-session-manager accept-loss"
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
    """Name what is in the place of a text, and is none: events are held to their checksums."""
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
    """What a check of SQLite's finds, line by line."""
    for (said,) in connection.execute(f"PRAGMA {check}"):
        for line in str(said).splitlines():
            if line != "ok" and not line.startswith("***"):  # a heading
                yield line


def broken(connection: sqlite3.Connection, revision: str) -> Iterator[str]:
    """What is wrong with references, and with the record itself."""
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"{table}: row {row} belongs to no row of {parent}"
    revisions = known_revisions()
    for invariant in _INVARIANTS:
        if revisions.index(revision) >= revisions.index(invariant.since):
            found = connection.execute(invariant.statement).fetchmany(_SHOWN_OF_A_KIND)
            yield from (invariant.text.format(*row) for row in found)

"""Accepting the loss of data in a database, so that managers serve it again.

The lost data is not recovered. Each unreadable event is replaced by an event of the type `damaged`.
Sums that differ from the record are derived from it again. All generations change, so that no
reader continues with an old cursor.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from agent_session_manager.sql.care.backup import flush
from agent_session_manager.sql.care.readonly import reading_alone
from agent_session_manager.sql.care.restore import (
    fold_log,
    forget_index,
    owned_alone,
    renew,
    replaced_path,
)
from agent_session_manager.sql.care.sums import rebuild_sums, wrong_sums
from agent_session_manager.sql.care.verify import broken, damage, read_contents
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.database.file.head import loss, read_head, read_reached, remove_head
from agent_session_manager.sql.schema.checksums import (
    DAMAGED,
    DAMAGED_TEXT,
    DamagedEvent,
    damaged_events,
    event_checksum,
)

_ROW = "SELECT run, late, recorded_at FROM events WHERE number = ?"
_REPLACE = """
    UPDATE events SET event_id = NULL, event_type = ?, fields = ?, checksum = ? WHERE number = ?
"""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The accepted losses, and the copy of the database from before."""

    losses: list[str]
    kept: Path | None
    """None: the database was missing."""


def accept_loss(database: Path, *, now: datetime) -> Accepted:
    """Make a database usable again that managers refuse because of lost data.

    Raises:
        DatabaseError: nothing is missing, or there is damage other than unreadable events; nothing
            was changed.
    """
    with owned_alone(database):
        try:
            if database.exists() and database.stat().st_size:
                return _accept(database, now)
            missing = loss(read_head(database), None)
            if missing is None:
                raise DatabaseError(f"there is no database at {database}")
            remove_head(database)
        except OSError as exc:
            raise DatabaseError(f"cannot use {database}: {exc.strerror}") from exc
        except sqlite3.DatabaseError as exc:
            raise DatabaseError(f"cannot use {database}: {exc}") from exc
    return Accepted(losses=[missing], kept=None)


def _accept(database: Path, now: datetime) -> Accepted:
    losses, damaged = _find_losses(database)
    kept = _keep(database, now)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for event in damaged:
            _replace(connection, event)
        rebuild_sums(connection)
        connection.execute("COMMIT")
    renew(database)
    fold_log(database)
    remove_head(database)
    forget_index(database)
    flush(database.parent)
    return Accepted(losses=losses, kept=kept)


def _find_losses(database: Path) -> tuple[list[str], list[DamagedEvent]]:
    with reading_alone(database) as connection:
        reached = read_reached(connection)
        missing = loss(read_head(database), reached)
        problems = damage(connection)
        wrong: list[str] = []
        if missing is None or reached is not None:
            contents = read_contents(connection, database)
            problems += broken(connection, contents.revision)
            wrong += wrong_sums(connection)
        if problems:
            raise DatabaseError(
                f"{database} has damage other than unreadable events ({problems[0]}): "
                "restore a backup: agent-session-manager restore FILE"
            )
        damaged = [] if reached is None else list(damaged_events(connection))
    losses = ([missing] if missing else []) + [str(event) for event in damaged] + wrong
    if not losses:
        raise DatabaseError(f"nothing is missing in {database}")
    return losses, damaged


def _keep(database: Path, now: datetime) -> Path:
    """Copy the files before SQLite opens them: it drops the part of the WAL that is not valid."""
    kept = replaced_path(database, now)
    for suffix in ("-wal", ""):
        source = database.with_name(database.name + suffix)
        if source.exists() and source.stat().st_size:
            copy = kept.with_name(kept.name + suffix)
            shutil.copy2(source, copy)
            flush(copy)
    return kept


def _replace(connection: sqlite3.Connection, event: DamagedEvent) -> None:
    """Replace an unreadable event by an event of the type `damaged`."""
    run, late, recorded_at = connection.execute(_ROW, (event.number,)).fetchone()
    fields = orjson.dumps({"error": DAMAGED_TEXT})
    checksum = event_checksum(
        event.session_id, event.seq, None, run, late, DAMAGED, recorded_at, fields
    )
    connection.execute(_REPLACE, (DAMAGED, fields.decode(), checksum, event.number))

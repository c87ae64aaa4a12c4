"""Copies of a SQLite database: consistent, checked, private and complete.

The copy is made with SQLite's backup API from a read-only connection. A manager can serve the
database during the backup; the copy has all commits that were acknowledged before. A copy is one
file, without a WAL. It gets its name only when it is complete.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from agent_session_manager.sql.care.readonly import reading_alone
from agent_session_manager.sql.care.verify import Contents, damage, read_contents
from agent_session_manager.sql.database.errors import DatabaseError

KEPT_BEFORE_MIGRATIONS = 3
_SUFFIX = ".partial"
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_RANDOM_CHARS = 8  # number of characters that mkstemp puts before the suffix


def back_up(database: Path, file: Path) -> Contents:
    """Copy a database to a new file. The file is on the disk when this returns.

    Raises:
        DatabaseError: the file exists, or the database cannot be copied or is damaged.
    """
    refuse_taken(file)
    with copied(database, beside=file) as copy:
        contents = _checked(copy, database)
        refuse_taken(file)
        put_in_place(copy, file)
    return contents


def back_up_before(revision: str, database: Path) -> Path:
    """Back up the database before the migration to a revision, and delete all but a few backups."""
    file = database.with_name(f"{database.name}.before-{revision}")
    clear_cut_off(file)
    with copied(database, beside=file) as copy:
        _checked(copy, database)
        put_in_place(copy, file)
    kept = sorted(
        database.parent.glob(f"{database.name}.before-*"), key=lambda path: path.lstat().st_mtime_ns
    )
    for old in kept[:-KEPT_BEFORE_MIGRATIONS]:
        old.unlink()
    return file


@contextmanager
def copied(source: Path, *, beside: Path) -> Iterator[Path]:
    """Yield a copy with a temporary name in the directory of `beside`; it is deleted afterwards.

    Raises:
        DatabaseError: the copy cannot be made.
    """
    with unfinished(beside) as copy:
        _copy(source, copy)
        yield copy


@contextmanager
def unfinished(beside: Path) -> Iterator[Path]:
    """Yield an empty private file with a temporary name in the directory of `beside`.

    The file is deleted afterwards, unless it was renamed.

    Raises:
        DatabaseError: the file cannot be created.
    """
    try:
        descriptor, name = tempfile.mkstemp(
            prefix=f".{beside.name}.", suffix=_SUFFIX, dir=beside.parent
        )
    except OSError as exc:
        raise DatabaseError(f"cannot write in {beside.parent}: {exc.strerror}") from exc
    os.close(descriptor)
    made = Path(name)
    try:
        yield made
    finally:
        made.unlink(missing_ok=True)


def clear_cut_off(file: Path) -> None:
    """Delete the remains of interrupted copies to `file`.

    Call it only as the owner of the database, so that no copy is in progress.
    """
    for left in file.parent.glob(f".{file.name}.{'?' * _RANDOM_CHARS}{_SUFFIX}*"):
        left.unlink()


def put_in_place(copy: Path, file: Path) -> None:
    """Rename a copy to `file`; when this returns, the data and the name are on the disk.

    Raises:
        DatabaseError: the file cannot be written.
    """
    try:
        flush(copy)
        copy.rename(file)
        flush(file.parent)
    except OSError as exc:
        raise DatabaseError(f"cannot write {file}: {exc.strerror}") from exc


def _copy(source: Path, copy: Path) -> None:
    """Copy without a journal and without flushes: an incomplete copy is deleted."""
    try:
        with (
            reading_alone(source) as reading,
            closing(sqlite3.connect(copy, isolation_level=None)) as writing,
        ):
            for pragma in ("journal_mode = OFF", "synchronous = OFF"):
                writing.execute(f"PRAGMA {pragma}").close()
            reading.backup(writing)
            writing.execute("PRAGMA journal_mode = DELETE").close()
    except sqlite3.DatabaseError as exc:
        if exc.sqlite_errorname in _DAMAGED:
            raise _damaged(source, str(exc)) from exc
        raise DatabaseError(f"cannot copy {source} to {copy.parent}: {exc}") from exc


def _checked(copy: Path, source: Path) -> Contents:
    try:
        with reading_alone(copy) as connection:
            found = damage(connection)
            if not found:
                return read_contents(connection, source)
    except sqlite3.DatabaseError as exc:
        found = [str(exc)]
    raise _damaged(source, found[0])


def _damaged(source: Path, found: str) -> DatabaseError:
    return DatabaseError(
        f"{source} is damaged ({found}) and was not copied. "
        "To list all problems: agent-session-manager verify"
    )


def refuse_taken(file: Path) -> None:
    """Raise if the file exists already, or its directory does not."""
    if os.path.lexists(file):
        raise DatabaseError(f"{file} exists already and was not overwritten")
    if not file.parent.is_dir():
        raise DatabaseError(f"there is no directory {file.parent}")


def flush(path: Path) -> None:
    """Flush a file, or the names in a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Copies of a SQLite database: of one moment, checked, private, and there whole or not at all.

Made through SQLite's own backup, from a connection that cannot write: a manager may go on
meanwhile, and what it had acknowledged before is in the copy. A copy is one file, without a log
beside it.
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
_RANDOM_CHARS = 8  # what mkstemp puts before the suffix


def back_up(database: Path, file: Path) -> Contents:
    """Copy a database to a file that is not there yet; it is on the disk when this returns.

    Raises:
        DatabaseError: the file is there, or the database cannot be copied or is damaged.
    """
    refuse_taken(file)
    with copied(database, beside=file) as copy:
        contents = _checked(copy, database)
        refuse_taken(file)
        put_in_place(copy, file)
    return contents


def back_up_before(revision: str, database: Path) -> Path:
    """Keep the database as it is before the migration to a revision, and not more than a few."""
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
    """A copy under a temporary name, on the same file system as `beside`; gone when left.

    Raises:
        DatabaseError: it cannot be made.
    """
    with unfinished(beside) as copy:
        _copy(source, copy)
        yield copy


@contextmanager
def unfinished(beside: Path) -> Iterator[Path]:
    """An empty private file under a temporary name, on the file system of `beside`; gone when left.

    Raises:
        DatabaseError: it cannot be made.
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
    """Remove what is left of copies that were to be `file`; for its owner, as none is made now."""
    for left in file.parent.glob(f".{file.name}.{'?' * _RANDOM_CHARS}{_SUFFIX}*"):
        left.unlink()


def put_in_place(copy: Path, file: Path) -> None:
    """Give a copy its name; when this returns, both are on the disk.

    Raises:
        DatabaseError: it cannot be had there.
    """
    try:
        flush(copy)
        copy.rename(file)
        flush(file.parent)
    except OSError as exc:
        raise DatabaseError(f"cannot write {file}: {exc.strerror}") from exc


def _copy(source: Path, copy: Path) -> None:
    """Without a journal and without flushes: a copy that is not finished is thrown away."""
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
        f"{source} is damaged, and so would be a copy of it ({found}); "
        "all that is wrong with it: agent-session-manager verify"
    )


def refuse_taken(file: Path) -> None:
    """Raise where a file is there already, or cannot be made."""
    if os.path.lexists(file):
        raise DatabaseError(f"{file} is there already, and nothing is overwritten")
    if not file.parent.is_dir():
        raise DatabaseError(f"there is no directory {file.parent}")


def flush(path: Path) -> None:
    """Bring a file, or the names in a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

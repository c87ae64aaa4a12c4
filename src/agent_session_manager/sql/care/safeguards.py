"""Safeguards of a SQLite database: its head, a short WAL, and the ballast."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from agent_session_manager.domain.errors import VacuumNotPossibleError
from agent_session_manager.sql.care.vacuum import free_some
from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.database.engines.sqlite import BUSY_TIMEOUT_SECONDS
from agent_session_manager.sql.database.errors import DatabaseError, is_broken
from agent_session_manager.sql.database.file.ballast import Ballast, ballast_path
from agent_session_manager.sql.database.file.head import CURRENT, Head, Reached, head_path
from agent_session_manager.store.errors import StoreBrokenError
from agent_session_manager.store.space import PAGES_AT_ONCE

logger = logging.getLogger(__name__)

LOG_ALARM_BYTES = 64 * 1024 * 1024
_LOOK_SECONDS = 1.0
_SHORT_LOG_BYTES = 1024 * 1024
_COUNT = "UPDATE feed SET commits = commits + 1"


class Safeguards:
    """The safeguards of one open database. Used only by the writing thread."""

    def __init__(self, database: Database, path: Path, monotonic: Callable[[], float]) -> None:
        """Start for a database that is undamaged and migrated.

        Raises:
            DatabaseError: the head cannot be written.
        """
        self._database = database
        self._monotonic = monotonic
        self._log = path.with_name(path.name + "-wal")
        self._alarmed = False
        self._looked_at = 0.0
        self._changes = 0
        self._has_remains = False
        self._ballast = Ballast(ballast_path(path))
        self._ballast.make()
        with database.writing.begin() as connection:
            raw = _driver_connection(connection)
            reached = Reached(*raw.execute(CURRENT).fetchone())
            self._changes = raw.total_changes
        try:
            self._head = Head(head_path(path), reached, monotonic)
        except OSError as exc:
            raise DatabaseError(f"cannot write {head_path(path)}: {exc.strerror}") from exc

    def count(self, connection: Connection) -> Reached | None:
        """Number the transaction that is about to commit; None: it changes nothing."""
        raw = _driver_connection(connection)
        if raw.total_changes == self._changes:
            return None
        # Use the driver directly, because every commit runs this.
        raw.execute(_COUNT).close()
        self._changes = raw.total_changes
        return Reached(*raw.execute(CURRENT).fetchone())

    def committed(self, reached: Reached) -> None:
        """Record a durable commit, before the store acknowledges it."""
        self._head.write(reached)
        now = self._monotonic()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._look_at_log()

    @contextmanager
    def room_for_deletions(self) -> Iterator[None]:
        """Free space on a full disk; a deletion in the block takes little space.

        Without the ballast, there is space to checkpoint the WAL, which frees the space of the WAL.
        To overwrite deleted pages would take their size in the WAL. So `rest` frees them later.

        Raises:
            StoreBrokenError: the disk failed.
        """
        if self._ballast.release():
            logger.warning("the disk is full: the ballast was deleted to make space for deletions")
        self._shorten_log()
        self._has_remains = True
        self._execute("PRAGMA secure_delete = FAST")
        try:
            yield
        finally:
            self._execute("PRAGMA secure_delete = ON")

    def rest(self) -> bool:
        """Restore the ballast, and checkpoint a long WAL unless a reader blocks it.

        After deletions on a full disk, return the space of some deleted pages to the file system.

        Returns:
            whether more such pages can be freed now.

        Raises:
            StoreBrokenError: the disk failed.
        """
        has_more = self._has_remains and self._free_some()
        if self._log_size() > _SHORT_LOG_BYTES:
            self._shorten_log()
        self._look_at_log()
        if not has_more:
            self._ballast.make()
        return has_more

    def close(self) -> None:
        self._head.close()

    def _free_some(self) -> bool:
        """Free some deleted pages; return whether more can be freed now.

        What cannot be freed now is tried again in the next idle period.
        """
        try:
            with self._driver() as connection:
                before = free_some(connection, 0).free_bytes
                after = free_some(connection, PAGES_AT_ONCE).free_bytes
        except VacuumNotPossibleError as exc:
            self._has_remains = False
            logger.warning("data that was deleted on the full disk is not overwritten yet: %s", exc)
            return False
        except sqlite3.Error as exc:
            _raise_if_broken(exc)
            logger.info("cannot free the space of deleted data: %s", exc)
            return False
        self._has_remains = after > 0
        return 0 < after < before

    def _shorten_log(self) -> None:
        timeout = int(BUSY_TIMEOUT_SECONDS * 1000)
        try:
            # Do not wait for readers: the wait would block all writes.
            self._execute("PRAGMA busy_timeout = 0")
            try:
                self._execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                self._execute(f"PRAGMA busy_timeout = {timeout}")
        except sqlite3.Error as exc:
            _raise_if_broken(exc)
            logger.info("cannot shorten the WAL of the database: %s", exc)

    def _execute(self, statement: str) -> None:
        with self._driver() as connection:
            connection.execute(statement).close()

    @contextmanager
    def _driver(self) -> Iterator[sqlite3.Connection]:
        """Lend the driver's writing connection; there is only one."""
        with self._database.writing.connect() as connection:
            yield _driver_connection(connection)

    def _look_at_log(self) -> None:
        size = self._log_size()
        if size > LOG_ALARM_BYTES and not self._alarmed:
            self._alarmed = True
            logger.warning(
                "%s has grown to %d MB: does another program hold the database open for reading?",
                self._log,
                size // 1_000_000,
            )
        elif size < LOG_ALARM_BYTES // 2:
            self._alarmed = False

    def _log_size(self) -> int:
        try:
            return self._log.stat().st_size
        except OSError:
            return 0


def open_safeguards(database: Database, monotonic: Callable[[], float]) -> Safeguards | None:
    """Return the safeguards of a SQLite database; None on PostgreSQL, which needs none."""
    return None if database.path is None else Safeguards(database, database.path, monotonic)


def _driver_connection(connection: Connection) -> sqlite3.Connection:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def _raise_if_broken(exc: sqlite3.Error) -> None:
    if is_broken(exc):
        raise StoreBrokenError(str(exc)) from exc

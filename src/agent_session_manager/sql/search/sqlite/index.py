"""The search index of a SQLite database. Its promises are in `store/search.py`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, text

from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.search.parts import wanted_parts
from agent_session_manager.sql.database.errors import is_disk_full
from agent_session_manager.sql.search.base import record
from agent_session_manager.sql.search.base.find import Finder
from agent_session_manager.sql.search.base.nothing import NothingIndexed
from agent_session_manager.sql.search.base.reading import IndexReading
from agent_session_manager.sql.search.sqlite.disk_space import check_space
from agent_session_manager.sql.search.sqlite.file import (
    is_unusable,
    open_to_read,
    open_to_write,
    remove_index,
)
from agent_session_manager.sql.search.sqlite.reading import SqliteReading
from agent_session_manager.sql.search.sqlite.writer import SqliteWriter
from agent_session_manager.store.queries import Mark
from agent_session_manager.store.search import (
    Indexed,
    IndexPausedError,
    Narrowed,
    Search,
    SearchPage,
)

Read = Callable[[], AbstractContextManager[Connection]]

_HIGHEST = text("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)")
"""The highest number of an event, also if the event was deleted."""


class SqliteIndex:
    """The index in its own file. Nothing is opened or created before the first use."""

    def __init__(
        self,
        database: Path,
        read: Read,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._read = read
        self._clock = clock
        self._monotonic = monotonic
        self._writer: SqliteWriter | None = None

    def find(self, search: Search, *, limit: int, after: Mark | None = None) -> SearchPage:
        try:
            with self._read() as connection, self._reading(connection) as reading:
                finder = Finder(
                    connection, reading, search, now=self._clock(), monotonic=self._monotonic
                )
                return finder.find(limit=limit, after=after)
        except sqlite3.Error as exc:
            raise StoreUnavailableError(f"the search index cannot be read now: {exc}") from exc

    def narrow(self, text: str, limit: int) -> Narrowed | None:
        parts = wanted_parts(text)
        if not parts:
            return None
        try:
            with self._read() as connection, self._reading(connection) as reading:
                return reading.having(parts, limit)
        except sqlite3.Error:
            return None

    def index_some(self) -> Indexed:
        try:
            check_space(self._database.parent)
            return self._index_some()
        except sqlite3.Error as exc:
            self.close()
            if is_disk_full(exc):
                raise IndexPausedError("the disk is full") from exc
            if is_unusable(exc):
                remove_index(self._database)
            raise StoreUnavailableError(f"the search index cannot be written: {exc}") from exc
        except OSError as exc:
            raise StoreUnavailableError(f"the search index cannot be written: {exc}") from exc

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    @contextmanager
    def _reading(self, connection: Connection) -> Iterator[IndexReading]:
        opened = open_to_read(self._database, record.read_generation(connection))
        if opened is None:
            yield NothingIndexed()
            return
        with closing(opened):
            yield SqliteReading(opened)

    def _index_some(self) -> Indexed:
        """Read events before names, and both before deletions: then no deletion is missed."""
        with self._read() as connection:
            writer = self._opened(connection)
            state = writer.state()
            new = record.read_texts(connection, state.position)
            changed = record.read_names(connection, state.names)
            deletions = record.read_deletions(connection)
            present = None
            if deletions != state.deletions:
                present = record.read_session_numbers(connection)
        is_removing = writer.has_deletions()
        if new.through == state.position and not changed and present is None and not is_removing:
            return Indexed(through=state.position, has_more=writer.tidy_some())
        with writer.transaction():
            writer.add_texts(new)
            writer.add_names(changed)
            if present is not None:
                writer.note_deletions(deletions, present)
            if is_removing:
                writer.remove_some()
        return Indexed(through=new.through, has_more=True, is_much=new.is_much)

    def _opened(self, connection: Connection) -> SqliteWriter:
        if self._writer is None:
            generation = record.read_generation(connection)
            highest = int(connection.scalar(_HIGHEST) or 0)
            self._writer = SqliteWriter(open_to_write(self._database, generation, highest))
        return self._writer

"""The search index in PostgreSQL. Its promises are in `store/search.py`.

Several managers can serve one database. Each tries to index, and the one with the lock does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.search.parts import parts_of, wanted_parts
from agent_session_manager.sql.database.engines.postgresql import postgresql_engine
from agent_session_manager.sql.database.errors import is_disk_full
from agent_session_manager.sql.search.base import record
from agent_session_manager.sql.search.base.find import Finder
from agent_session_manager.sql.search.base.nothing import NothingIndexed
from agent_session_manager.sql.search.base.reading import IndexReading
from agent_session_manager.sql.search.base.stored_text import dump_text
from agent_session_manager.sql.search.postgresql.match import blocks_of, to_tsvector
from agent_session_manager.sql.search.postgresql.reading import PostgresqlReading
from agent_session_manager.sql.search.postgresql.tables import (
    SearchState,
    begin_again,
    merge_words,
    read_state,
)
from agent_session_manager.store.queries import Mark
from agent_session_manager.store.search import (
    Indexed,
    IndexPausedError,
    Narrowed,
    Search,
    SearchPage,
)

_INDEXING = 0x414F5345  # "AOSE": the number of an advisory lock, chosen by the application
_LOCK = text(f"SELECT pg_try_advisory_xact_lock({_INDEXING})")
# After a crash the newest texts are missing, and so is the position after them.
_NOT_AT_ONCE = text("SET LOCAL synchronous_commit = off")
_REMOVED_AT_ONCE = 20
_COPY_TEXTS = "COPY search_texts (number, session_number, occurred_at, body, words) FROM STDIN"
_COPIED_AT_ONCE = 100
_NOTE_SESSIONS = text(
    "INSERT INTO search_names VALUES (:session_number, '', '', '{}') ON CONFLICT DO NOTHING"
)
_PUT_NAMES = text(
    """INSERT INTO search_names
    VALUES (:session_number, :name, CAST(:words AS tsvector), CAST(:parts AS text[]))
    ON CONFLICT (session_number) DO UPDATE
    SET name = excluded.name, words = excluded.words, parts = excluded.parts
    WHERE search_names.name <> excluded.name OR search_names.parts <> excluded.parts"""
)
_GONE = text(
    """SELECT session_number FROM search_names AS named
    WHERE NOT EXISTS (SELECT FROM sessions WHERE sessions.number = named.session_number)
    LIMIT :count"""
)
_SET = text("UPDATE search_state SET position = :position, names = :names, deletions = :deletions")


class PostgresqlIndex:
    """The index in tables of the database. Its tables are created by the first `index_some`."""

    def __init__(
        self,
        url: URL,
        read: Callable[[], AbstractContextManager[Connection]],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._url = url
        self._read = read
        self._clock = clock
        self._engine: Engine | None = None

    def find(self, search: Search, *, limit: int, after: Mark | None = None) -> SearchPage:
        with self._read() as connection:
            reading = self._reading(connection)
            finder = Finder(connection, reading, search, now=self._clock())
            return finder.find(limit=limit, after=after)

    def narrow(self, text: str, limit: int) -> Narrowed | None:
        parts = wanted_parts(text)
        if not parts:
            return None
        with self._read() as connection:
            return self._reading(connection).having(parts, limit)

    def index_some(self) -> Indexed:
        if self._engine is None:
            self._engine = postgresql_engine(self._url, 1)
        try:
            with self._engine.begin() as connection:
                return self._index_some(connection)
        except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error) as exc:
            if is_disk_full(exc.orig if isinstance(exc, DBAPIError) else exc):
                raise IndexPausedError("the disk of PostgreSQL is full") from exc
            raise StoreUnavailableError("the search index cannot be written now") from exc

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        self._engine = None

    def _reading(self, connection: Connection) -> IndexReading:
        state = read_state(connection, record.read_generation(connection))
        return NothingIndexed() if state is None else PostgresqlReading(connection, state)

    def _index_some(self, connection: Connection) -> Indexed:
        """Read events before names, and both before deletions: then no deletion is missed."""
        connection.execute(_NOT_AT_ONCE)
        generation = record.read_generation(connection)
        is_ours = bool(connection.scalar(_LOCK))
        state = read_state(connection, generation)
        if not is_ours:
            return Indexed(through=0 if state is None else state.position, has_more=False)
        state = state or begin_again(connection, generation)
        new = record.read_texts(connection, state.position)
        changed = record.read_names(connection, state.names)
        deletions = record.read_deletions(connection)
        _add_texts(connection, new)
        _add_names(connection, changed)
        is_removing = deletions != state.deletions and _remove_some(connection)
        found = SearchState(
            position=new.through,
            names=changed[-1].changed_position if changed else state.names,
            deletions=state.deletions if is_removing else deletions,
        )
        has_more = found != state or is_removing
        if found != state:
            where = {"names": found.names, "deletions": found.deletions}
            connection.execute(_SET, {"position": found.position, **where})
        return Indexed(through=new.through, has_more=has_more, is_much=new.is_much)


def _add_texts(connection: Connection, new: record.NewTexts) -> None:
    if not new.texts:
        return
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(_COPY_TEXTS) as copy:
        for first in range(0, len(new.texts), _COPIED_AT_ONCE):
            copy.write("".join(map(_copied, new.texts[first : first + _COPIED_AT_ONCE])))
    merge_words(connection)
    sessions = sorted({one.session_number for one in new.texts})
    connection.execute(_NOTE_SESSIONS, [{"session_number": number} for number in sessions])


def _copied(one: record.NewText) -> str:
    """Return a row in the text format of COPY; no value has a character with a meaning in it."""
    body = dump_text(one.facets, one.text).hex()
    words = to_tsvector(one.text.text, one.facets, blocks_of(one.number))
    return f"{one.number}\t{one.session_number}\t{one.occurred_at}\t\\\\x{body}\t{words}\n"


def _add_names(connection: Connection, changed: Sequence[Row[Any]]) -> None:
    names = [(row, record.name_of(row)) for row in changed]
    if names:
        connection.execute(
            _PUT_NAMES,
            [
                {
                    "session_number": row.number,
                    "name": name,
                    "words": to_tsvector(name, ""),
                    "parts": parts_of(record.filtered_text_of(row)),
                }
                for row, name in names
            ],
        )


def _remove_some(connection: Connection) -> bool:
    """Remove the texts of some deleted sessions; return whether there were any."""
    gone = list(connection.scalars(_GONE, {"count": _REMOVED_AT_ONCE}))
    for table in ("search_texts", "search_names") if gone else ():
        connection.execute(
            text(f"DELETE FROM {table} WHERE session_number = ANY(:gone)"), {"gone": gone}
        )
    return bool(gone)

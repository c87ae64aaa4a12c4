"""The tables of the search index in PostgreSQL.

They are derived from the record, so no migration creates them. They begin again if they are
missing, or were made for another generation of the database or by another version.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from agent_session_manager.search.extract import EXTRACTOR

_PENDING_KIB = 64 * 1024
"""More than the words of one step: PostgreSQL merges a longer list in the middle of a step."""
_TABLES = ("search_state", "search_texts", "search_names")
_CREATE = (
    """CREATE TABLE search_state (
        generation TEXT NOT NULL, extractor INTEGER NOT NULL, position BIGINT NOT NULL,
        names BIGINT NOT NULL, deletions BIGINT NOT NULL
    )""",
    """CREATE TABLE search_texts (
        number BIGINT PRIMARY KEY, session_number BIGINT NOT NULL, occurred_at BIGINT NOT NULL,
        body BYTEA NOT NULL, words TSVECTOR NOT NULL
    )""",
    "CREATE INDEX ix_search_texts_session ON search_texts (session_number)",
    # New words wait in a list, and `merge_words` adds them to the index together.
    f"""CREATE INDEX ix_search_texts_words ON search_texts
        USING gin (words) WITH (fastupdate = on, gin_pending_list_limit = {_PENDING_KIB})""",
    """CREATE TABLE search_names (
        session_number BIGINT PRIMARY KEY, name TEXT NOT NULL, words TSVECTOR NOT NULL,
        parts TEXT[] NOT NULL
    )""",
    """CREATE INDEX ix_search_names_words ON search_names
        USING gin (words) WITH (fastupdate = off)""",
    """CREATE INDEX ix_search_names_parts ON search_names
        USING gin (parts) WITH (fastupdate = off)""",
)
_MERGE = text("SELECT gin_clean_pending_list('ix_search_texts_words')")
_EXISTS = text("SELECT to_regclass('search_state') IS NOT NULL")
_STATE = text("SELECT generation, extractor, position, names, deletions FROM search_state")


@dataclass(frozen=True, kw_only=True)
class SearchState:
    """The position of the index in events, in changes of sessions, and in deletions."""

    position: int = 0
    names: int = 0
    deletions: int = 0


def read_state(connection: Connection, generation: str) -> SearchState | None:
    """Return the state of the index; None if this generation has no index."""
    if not connection.scalar(_EXISTS):
        return None
    row = connection.execute(_STATE).one_or_none()
    if row is None or (row.generation, row.extractor) != (generation, EXTRACTOR):
        return None
    return SearchState(position=row.position, names=row.names, deletions=row.deletions)


def begin_again(connection: Connection, generation: str) -> SearchState:
    """Create empty tables, in the place of others."""
    connection.execute(text(f"DROP TABLE IF EXISTS {', '.join(_TABLES)}"))
    for statement in _CREATE:
        connection.execute(text(statement))
    connection.execute(
        text("INSERT INTO search_state VALUES (:generation, :extractor, 0, 0, 0)"),
        {"generation": generation, "extractor": EXTRACTOR},
    )
    return SearchState()


def merge_words(connection: Connection) -> None:
    """Move the words of new texts from the list of pending words to the index.

    A word of many new texts is looked up once. Without it, PostgreSQL looks up each word of each
    text, which takes eight times as long; and every search would read the list.
    """
    connection.execute(_MERGE)

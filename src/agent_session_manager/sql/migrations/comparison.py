"""Comparison of a SQLite file's schema with the schema that our migrations create.

A schema is code: triggers, views, defaults and indexes are expressions that SQLite evaluates when
a table is read or written. So the schema is compared before any data in the file is used.
"""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import create_engine, text
from sqlalchemy.pool import StaticPool

from agent_session_manager.sql.migrations.newest import create_newest
from agent_session_manager.sql.migrations.revisions import known_revisions

SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master"
_VERSIONS = "alembic_version"
_OF_SQLITE = re.compile("sqlite_stat[0-9]")
"""Tables that ANALYZE creates, with statistics for the query planner."""
_SPACE_AND_QUOTES = re.compile(r'[\s"]+')
_BRACKETS_AND_COMMAS = re.compile("([(),])")


class Part(NamedTuple):
    """A table, an index, or another object of a schema."""

    kind: str
    name: str
    table: str
    statement: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


def foreign_part(connection: sqlite3.Connection) -> Part | None:
    """Return a part of the schema that our migrations do not create, or create differently.

    For an unknown revision, only triggers, views and virtual tables are found.
    """
    found = {
        part
        for part in (to_part(*row) for row in connection.execute(SCHEMA))
        if part.kind != "table" or not _OF_SQLITE.fullmatch(part.name)
    }
    active = {part for part in found if part.kind not in ("table", "index")}
    active |= {part for part in found if part.statement.startswith("createvirtual")}
    if active or not found:
        return min(active, default=None)
    versions = {part for part in found if part.name == _VERSIONS}
    if not versions:
        return min(found)
    if not versions <= _made_by_us(known_revisions()[-1]):
        return min(versions)
    (revision,) = connection.execute(f"SELECT max(version_num) FROM {_VERSIONS}").fetchone()
    if revision not in known_revisions():
        return None
    return min(found ^ _made_by_us(revision), default=None)


@lru_cache
def _made_by_us(revision: str) -> frozenset[Part]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        with engine.begin() as connection:
            if revision == known_revisions()[-1]:
                create_newest(connection)
            else:
                # A late import: see `migrate.py`.
                from agent_session_manager.sql.migrations.run import run_migrations

                run_migrations(connection, revision)
            return frozenset(to_part(*row) for row in connection.execute(text(SCHEMA)))
    finally:
        engine.dispose()


def to_part(kind: str, name: str, table: str, statement: str | None) -> Part:
    return Part(kind, name, table, _sorted(_SPACE_AND_QUOTES.sub("", statement or "").lower()))


def _sorted(statement: str) -> str:
    """Return the statement with sorted columns and constraints: their order can differ."""
    head, _, inside = statement.partition("(")
    parts = [""]
    depth = 0
    for piece in _BRACKETS_AND_COMMAS.split(inside):
        depth += (piece == "(") - (piece == ")")
        if piece == "," and not depth:
            parts.append("")
        else:
            parts[-1] += piece
    *others, last = parts
    inside, _, rest = last.rpartition(")")
    return f"{head}({','.join(sorted([*others, inside]))}){rest}"

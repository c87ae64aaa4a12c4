"""Creation of the newest schema in one step: all tables, and their first rows.

A test checks that the result is the same as that of all migrations.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    create_mock_engine,
    insert,
    inspect,
    select,
)

from agent_session_manager.sql.migrations.revisions import known_revisions
from agent_session_manager.sql.schema.alerts import alerts
from agent_session_manager.sql.schema.tables import feed

_versions = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""The table in which Alembic stores the revision, defined as Alembic creates it."""


def read_revisions(connection: Connection) -> list[str] | None:
    """Return the revisions in the database; None if it has no table of revisions.

    A database of ours has exactly one revision.
    """
    if not inspect(connection).has_table(_versions.name):
        return None
    return list(connection.scalars(select(_versions.c.version_num)))


def create_newest(connection: Connection) -> None:
    """Create the schema in an empty database, within the transaction of the connection."""
    for statement in _definitions(connection.engine.url.drivername):
        connection.exec_driver_sql(statement)
    connection.execute(insert(_versions).values(version_num=known_revisions()[-1]))
    beginning = {"generation": uuid4().hex, "position": 0, "complete_after": 0}
    connection.execute(insert(feed).values(beginning))


@cache
def _definitions(driver: str) -> Sequence[str]:
    """Return the statements that create all tables; they are compiled once in a process."""
    statements: list[str] = []

    def note(definition: Any, *_: object, **__: object) -> None:
        statements.append(str(definition.compile(dialect=noting.dialect)))

    noting = create_mock_engine(f"{driver}://", note)
    for tables in (alerts.metadata, _versions.metadata):
        tables.create_all(noting, checkfirst=False)
    return statements

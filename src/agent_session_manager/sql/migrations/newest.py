"""Creation of the newest schema in one step: all tables, and their first rows.

A test checks that the result is the same as that of all migrations.
"""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
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
    for tables in (alerts.metadata, _versions.metadata):
        tables.create_all(connection, checkfirst=False)
    connection.execute(insert(_versions).values(version_num=known_revisions()[-1]))
    beginning = {"generation": uuid4().hex, "position": 0, "complete_after": 0}
    connection.execute(insert(feed).values(beginning))

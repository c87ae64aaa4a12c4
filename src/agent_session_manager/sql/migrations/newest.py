"""The newest schema, made in one step: that of `tables.py`, with what the migrations put into it.

A test holds it equal to what the migrations make, one after the other.
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
from agent_session_manager.sql.schema.tables import feed, metadata

_versions = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Where Alembic keeps the revision, as it makes it."""


def read_revisions(connection: Connection) -> list[str] | None:
    """What the database says it is at: one revision, if it is ours; None if it was never said."""
    if not inspect(connection).has_table(_versions.name):
        return None
    return list(connection.scalars(select(_versions.c.version_num)))


def create_newest(connection: Connection) -> None:
    """Make it in a database that has none of its tables, within the connection's transaction."""
    for tables in (metadata, _versions.metadata):
        tables.create_all(connection, checkfirst=False)
    connection.execute(insert(_versions).values(version_num=known_revisions()[-1]))
    beginning = {"generation": uuid4().hex, "position": 0, "complete_after": 0}
    connection.execute(insert(feed).values(beginning))

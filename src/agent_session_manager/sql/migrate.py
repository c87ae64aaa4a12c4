"""Migration of a database to the schema of this version, at start."""

from __future__ import annotations

import logging

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from agent_session_manager.sql.care.backup import back_up_before
from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.migrations.newest import create_newest, read_revisions
from agent_session_manager.sql.migrations.revisions import known_revisions

logger = logging.getLogger(__name__)


def migrate(database: Database) -> None:
    """Create the schema, or run the missing migrations; a SQLite database is backed up before.

    This is one transaction, during which no other connection can write.

    Raises:
        DatabaseError: the database cannot be reached or backed up, is damaged, or was written by a
            newer version.
    """
    try:
        _keep_as_it_is(database)
        with database.writing.begin() as connection:
            _bring_up_to_date(connection)
    except DBAPIError as exc:
        raise DatabaseError(f"cannot use {database.shown_url}: {exc.orig}") from exc


def _bring_up_to_date(connection: Connection) -> None:
    found = read_revisions(connection)
    if found is None:
        create_newest(connection)
    elif found != [known_revisions()[-1]]:
        # A late import: most starts have nothing to migrate, and Alembic is a tenth of all imports.
        from agent_session_manager.sql.migrations.run import run_migrations

        run_migrations(connection)


def _keep_as_it_is(database: Database) -> None:
    """Back up a SQLite database that is about to be migrated."""
    if database.path is None:
        return
    with database.reading.connect() as connection:
        found = read_revisions(connection)
    *earlier, newest = known_revisions()
    if found and found[0] in earlier:
        kept = back_up_before(newest, database.path)
        logger.info("backed up the database before migration %s: %s", newest, kept)

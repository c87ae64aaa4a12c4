"""Bringing a database to the schema of this version, on start."""

from __future__ import annotations

import logging

from alembic import command
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from agent_session_manager.store.backup import back_up_before
from agent_session_manager.store.engine import Database, DatabaseError
from agent_session_manager.store.revisions import known_revisions, migration_config

logger = logging.getLogger(__name__)


def migrate(database: Database) -> None:
    """Run the migrations that are missing, in one transaction; SQLite is backed up before.

    Raises:
        DatabaseError: the database cannot be reached or backed up, is damaged, or was written by a
            newer version.
    """
    config = migration_config()
    try:
        _keep_as_it_is(database)
        with database.writing.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as exc:
        raise DatabaseError(
            f"the database is not one that this version knows ({exc}): "
            "was it written by a newer agent-session-manager?"
        ) from exc
    except DBAPIError as exc:
        raise DatabaseError(f"cannot use {database.shown_url}: {exc.orig}") from exc


def _keep_as_it_is(database: Database) -> None:
    """Back up a SQLite database that is about to be migrated."""
    if database.path is None:
        return
    with database.reading.connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    *earlier, newest = known_revisions()
    if revision in earlier:
        kept = back_up_before(newest, database.path)
        logger.info("the database as it was before migration %s is %s", newest, kept)

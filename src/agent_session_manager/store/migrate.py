"""Bringing a database to the schema of this version, on start."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from agent_session_manager import migrations
from agent_session_manager.store.engine import Database, DatabaseError


def migrate(database: Database) -> None:
    """Run the migrations that are missing, in one transaction.

    Raises:
        DatabaseError: the database cannot be reached, is damaged, or was written by a newer
            version.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    try:
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

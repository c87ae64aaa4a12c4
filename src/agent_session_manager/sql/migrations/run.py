"""Running migrations with Alembic. Imported only if there are migrations to run."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.migrations.revisions import MIGRATIONS


def run_migrations(connection: Connection, up_to: str = "head") -> None:
    """Migrate a schema to a later revision, within the transaction of the connection.

    Raises:
        DatabaseError: the schema has an unknown revision.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, up_to)
    except CommandError as exc:
        raise DatabaseError(
            f"this version does not know the schema of the database ({exc}): "
            "was it written by a newer agent-session-manager?"
        ) from exc

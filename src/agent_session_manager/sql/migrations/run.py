"""Running migrations, with Alembic: it is imported where there are some to run, and not before."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.migrations.revisions import MIGRATIONS


def run_migrations(connection: Connection, up_to: str = "head") -> None:
    """Bring a schema to a later revision, within the transaction of the connection.

    Raises:
        DatabaseError: it has a revision that is not known.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, up_to)
    except CommandError as exc:
        raise DatabaseError(
            f"the database is not one that this version knows ({exc}): "
            "was it written by a newer agent-session-manager?"
        ) from exc

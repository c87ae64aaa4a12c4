"""The agent of a session: the name of its definition, or else its executor."""

from importlib import import_module

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_AGENT = "coalesce(agent_name, executor)"


def upgrade() -> None:
    op.drop_index("ix_sessions_agent_name", "sessions")
    op.create_index("ix_sessions_agent", "sessions", [sa.text(_AGENT), "list_order", "number"])
    op.execute("DELETE FROM facets WHERE kind = 'agent'")
    op.execute(
        "INSERT INTO facets (kind, value, sessions)"
        f" SELECT 'agent', {_AGENT}, count(*) FROM sessions"
        f" WHERE {_AGENT} IS NOT NULL AND archived_at IS NULL GROUP BY {_AGENT}"
    )
    # Digits cannot begin a name in an import statement.
    sums = import_module("agent_session_manager.sql.migrations.versions.0011_usage_at_its_time")
    sums.write_sums(agent=_AGENT)

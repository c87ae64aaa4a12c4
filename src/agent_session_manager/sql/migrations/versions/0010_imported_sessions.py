"""Sessions that were imported from files of other programs, and their place in lists."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_sessions_session_name": ["session_name", "project_dir"],
    "ix_sessions_project_dir": ["project_dir"],
    "ix_sessions_agent_name": ["agent_name"],
    "ix_sessions_status": ["status"],
    "ix_sessions_state": ["state"],
}

# The clock may have been set back: a session is never before an earlier one.
_LIST_ORDER = """
    UPDATE sessions SET list_order = (
        SELECT latest FROM (
            SELECT number AS place, max(CAST(created_at AS BIGINT)) OVER (ORDER BY number) AS latest
            FROM sessions
        ) AS ranked WHERE place = sessions.number
    )
"""


def upgrade() -> None:
    for name in ("title", "source", "forked_from"):
        op.add_column("sessions", sa.Column(name, sa.Text()))
    op.add_column(
        "runs", sa.Column("imported", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column(
        "sessions", sa.Column("list_order", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.execute(_LIST_ORDER)
    op.create_index("ix_sessions_list_order", "sessions", ["list_order", "number"])
    for name, columns in _INDEXES.items():
        op.drop_index(name, "sessions")
        op.create_index(name, "sessions", [*columns, "list_order", "number"])

"""The feed of all sessions: where each was last changed, and what was deleted.

And no number of an event is given again, which SQLite does where the newest are deleted.
"""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("changed_position", "created_position"):
        column = sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
        op.add_column("sessions", column)
    op.execute("UPDATE sessions SET changed_position = number, created_position = number")
    op.create_index("ix_sessions_changed_position", "sessions", ["changed_position"])
    op.create_index("ix_runs_started_at", "runs", ["started_at"])
    op.create_table(
        "deleted_sessions",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("session_id", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_table(
        "feed",
        sa.Column("generation", sa.String(length=32), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("complete_after", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("generation"),
    )
    op.execute(
        "INSERT INTO feed (generation, position, complete_after)"
        f" SELECT '{uuid4().hex}', coalesce(max(number), 0), 0 FROM sessions"
    )
    if op.get_bind().dialect.name == "sqlite":
        keep = {"sqlite_autoincrement": True}
        with op.batch_alter_table("events", recreate="always", table_kwargs=keep):
            pass  # SQLite is told so only where a table is created: it is written anew

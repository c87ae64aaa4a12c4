"""Tokens of runs, checksums of events, a count of commits and of secrets masked in a session.

Events of before have no checksum, and are not checked against one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    masked = sa.Column("masked_secrets", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("sessions", masked)
    commits = sa.Column("commits", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("feed", commits)
    op.add_column("events", sa.Column("checksum", sa.BigInteger(), nullable=True))
    op.create_table(
        "run_tokens",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("session_number", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_run_tokens"),
        sa.ForeignKeyConstraint(
            ["session_number"],
            ["sessions.number"],
            name="fk_run_tokens_session",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_run_tokens_session", "run_tokens", ["session_number"])

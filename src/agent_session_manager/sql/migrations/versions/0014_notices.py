"""Notices for a session that runs of the sessions below it have ended."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_IS_UNDELIVERED = sa.text("delivered_at IS NULL")


def upgrade() -> None:
    op.add_column(
        "runs", sa.Column("notify", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column(
        "sessions",
        sa.Column("automatic_runs", sa.Integer(), nullable=False, server_default="0"),
    )
    op.create_table(
        "notices",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("session_number", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("correction", sa.Integer(), nullable=False),
        sa.Column("parent_number", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.String(length=36), nullable=True),
        sa.Column("offered_run", sa.Integer(), nullable=True),
        sa.Column("refused_run", sa.Integer(), nullable=True),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_number"], ["sessions.number"], name="fk_notices_session", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["parent_number"], ["sessions.number"], name="fk_notices_parent", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("session_number", "run", "correction", name="uq_notices_run"),
    )
    op.create_index("ix_notices_parent", "notices", ["parent_number"])
    op.create_index(
        "ix_notices_undelivered",
        "notices",
        ["parent_number"],
        sqlite_where=_IS_UNDELIVERED,
        postgresql_where=_IS_UNDELIVERED,
    )

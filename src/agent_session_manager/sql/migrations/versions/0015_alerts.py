"""Alerts for targets outside. Earlier versions had none."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("alert_id", sa.String(64), nullable=False),
        sa.Column("target_id", sa.String(64), nullable=False),
        sa.Column("session_number", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.UniqueConstraint("alert_id", name="uq_alerts_alert_id"),
        sa.ForeignKeyConstraint(
            ["session_number"], ["sessions.number"], name="fk_alerts_session", ondelete="CASCADE"
        ),
    )
    op.create_index(
        "ix_alerts_target", "alerts", ["target_id", "state", "session_number", "number"]
    )
    op.create_index("ix_alerts_session", "alerts", ["session_number"])

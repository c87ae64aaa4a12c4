"""The table of alerts, each for one target. Targets are in a file, not in the database."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from agent_session_manager.sql.schema.tables import metadata

alerts = Table(
    "alerts",
    metadata,
    Column(
        "number",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("alert_id", String(64), nullable=False),
    Column("target_id", String(64), nullable=False),
    Column("session_number", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("facts", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    # The reason of the last failed attempt.
    Column("error", Text),
    UniqueConstraint("alert_id", name="uq_alerts_alert_id"),
    ForeignKeyConstraint(
        ["session_number"], ["sessions.number"], name="fk_alerts_session", ondelete="CASCADE"
    ),
    Index("ix_alerts_target", "target_id", "state", "session_number", "number"),
    Index("ix_alerts_session", "session_number"),
)

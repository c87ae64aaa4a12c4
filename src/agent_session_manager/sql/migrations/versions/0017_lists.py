"""What lists are sorted and filtered by: durations, hosts, last activity, and models.

On PostgreSQL, all columns with the id of a session get the collation of `sessions.session_id`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_LATEST = 253402131600000000
"""Moments from here on are damaged. A run with one counts 0, as does an end before its start."""
_PART = 2**20
_MOST = 2**58
# The sum has two parts, because SQLite fails if a sum exceeds 64 bits.
_SET = f"""
UPDATE sessions SET
 host = (SELECT host FROM runs WHERE session_number = sessions.number AND run = last_run),
 took_microseconds = (
  SELECT CASE WHEN high >= {_MOST // _PART} THEN {_MOST} ELSE high * {_PART} + low END
  FROM (
   SELECT coalesce(sum(took / {_PART}), 0) AS high, coalesce(sum(took % {_PART}), 0) AS low
   FROM (
    SELECT CAST(finished_at AS BIGINT) - CAST(started_at AS BIGINT) AS took
    FROM runs WHERE session_number = sessions.number AND started_at >= 0
    AND finished_at >= started_at AND finished_at < {_LATEST}
   ) AS durations
  ) AS parts
 )
"""
_ADD_FACETS = """
INSERT INTO facets (kind, value, sessions)
SELECT 'host', host, count(*) FROM sessions
WHERE host IS NOT NULL AND archived_at IS NULL GROUP BY host
"""
_IDS = (("sessions", "parent_session_id"), ("transcripts", "session_id")) + (
    ("deleted_sessions", "session_id"),
)


def upgrade() -> None:
    op.add_column(
        "sessions",
        sa.Column("took_microseconds", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.add_column("sessions", sa.Column("host", sa.Text()))
    op.execute(_SET)
    op.execute(_ADD_FACETS)
    op.create_index("ix_sessions_took", "sessions", ["took_microseconds", "number"])
    op.create_index("ix_sessions_host", "sessions", ["host", "list_order", "number"])
    op.create_index("ix_sessions_last_activity", "sessions", ["last_activity_at", "number"])
    op.create_index(
        "ix_usage_facts_model",
        "usage_facts",
        ["session_number", "number"],
        sqlite_where=sa.text("model IS NOT NULL"),
        postgresql_where=sa.text("model IS NOT NULL"),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table, column in _IDS:
            op.alter_column(table, column, type_=sa.String(128, collation="C"))

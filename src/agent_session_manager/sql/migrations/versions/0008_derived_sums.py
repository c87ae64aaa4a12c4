"""The state of a session, the facets and the sums of usage, derived from the existing rows."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
    "cost_microdollars",
    "unpriced_tokens",
)
_STATES = """
    UPDATE sessions SET state = CASE
        WHEN status = 'running' THEN 'running'
        WHEN status = 'finished' THEN (
            SELECT CASE
                WHEN reason = 'completed' THEN 'finished'
                WHEN reason IN ('failed', 'timeout', 'budget') THEN 'failed'
                WHEN reason = 'stopped' THEN 'stopped'
                WHEN reason = 'lost' THEN 'lost'
            END FROM runs WHERE session_number = sessions.number AND run = sessions.last_run
        )
    END
"""
_FACETS = """
    INSERT INTO facets (kind, value, sessions)
    SELECT '{kind}', {column}, count(*) FROM sessions
    WHERE {column} IS NOT NULL AND archived_at IS NULL GROUP BY {column}
"""
_SUMS = """
    INSERT INTO usage_sums (hour, agent_name, runs, failed, stopped, lost, {counts})
    SELECT hour, agent_name, count(*),
        sum(CASE WHEN reason IN ('failed', 'timeout', 'budget') THEN 1 ELSE 0 END),
        sum(CASE WHEN reason = 'stopped' THEN 1 ELSE 0 END),
        sum(CASE WHEN reason = 'lost' THEN 1 ELSE 0 END),
        {sums}
    FROM (
        SELECT CAST(started_at AS BIGINT) - CAST(started_at AS BIGINT) % 3600000000 AS hour,
            coalesce(agent_name, '') AS agent_name, reason, {counted}
        FROM runs JOIN sessions ON sessions.number = runs.session_number
        WHERE started_at BETWEEN 0 AND 253402131599999999
    ) AS counted GROUP BY hour, agent_name
"""
# A damaged count counts as 0, and a sum ends at 2^58. It is added in two parts, because SQLite
# fails if a sum has more than 64 bits.
_COUNTED = "CASE WHEN runs.{0} BETWEEN 0 AND 1000000000000000 THEN runs.{0} ELSE 0 END AS {0}"
_SUM = """
    CASE WHEN sum({0} / 1048576) >= 274877906944 THEN 288230376151711744
        ELSE sum({0} / 1048576) * 1048576 + sum({0} % 1048576) END
"""


def upgrade() -> None:
    op.add_column("sessions", sa.Column("state", sa.String(8), nullable=True))
    op.execute(_STATES)
    op.create_index("ix_sessions_state", "sessions", ["state", "number"])
    op.create_index("ix_sessions_cost", "sessions", ["cost_microdollars", "number"])
    op.create_table(
        "facets",
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("sessions", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", name="pk_facets"),
    )
    op.create_index("ix_facets_sessions", "facets", ["kind", sa.text("sessions DESC"), "value"])
    op.create_table(
        "usage_sums",
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("agent_name", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("runs", "failed", "stopped", "lost")
        ),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in _COUNTS),
        sa.PrimaryKeyConstraint("hour", "agent_name", name="pk_usage_sums"),
    )
    for kind, column in (("project", "project_dir"), ("agent", "agent_name")):
        op.execute(_FACETS.format(kind=kind, column=column))
    op.execute(
        _SUMS.format(
            counts=", ".join(_COUNTS),
            counted=", ".join(map(_COUNTED.format, _COUNTS)),
            sums=", ".join(map(_SUM.format, _COUNTS)),
        )
    )

"""Usage of model requests, counted once over all sessions, and costs in nanodollars."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLES = ("sessions", "runs", "usage_sums")
_DETAILS = ("provider", "model", "service_tier", "speed", "inference_geo")
_OLD_COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
_NEW_COUNTS = ("cache_creation_1h_tokens", "reasoning_tokens", "web_searches")
_COUNTS = (*_OLD_COUNTS, *_NEW_COUNTS)
_SUMS = (*_COUNTS, "cost_nanodollars", "unpriced_tokens")
# A damaged cost stays as it is.
_TO_NANODOLLARS = """
    UPDATE {table} SET cost_nanodollars = CASE
        WHEN cost_microdollars BETWEEN 0 AND 100000000000000 THEN cost_microdollars * 1000
        ELSE cost_microdollars END
"""
# As in the migration before: a damaged count counts as 0, and a sum ends at 2^58.
_COUNTED = "CASE WHEN runs.{0} BETWEEN 0 AND {1} THEN runs.{0} ELSE 0 END AS {0}"
_SUM = """
    CASE WHEN sum({0} / 1048576) >= 274877906944 THEN 288230376151711744
        ELSE sum({0} / 1048576) * 1048576 + sum({0} % 1048576) END
"""
_USAGE_SUMS = """
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
# The ids of Claude Code's requests are unique in the world. Others are unique in their session.
_FACTS = """
    INSERT INTO usage_facts (
        request_key, session_number, run, covered, inherited, {counts},
        cost_nanodollars, cost_source
    )
    SELECT CASE WHEN executor = 'claude' THEN 'claude:' || request_id
            ELSE '/' || session_id || '/' || request_id END,
        session_number, run, covered, {false}, {old_counts},
        CASE WHEN model_requests.unpriced_tokens = 0
            THEN model_requests.cost_microdollars * 1000 END,
        CASE WHEN model_requests.unpriced_tokens = 0 THEN 'agent' END
    FROM model_requests JOIN sessions ON sessions.number = session_number
    WHERE true ORDER BY session_number, run, request_id
    ON CONFLICT (request_key) DO NOTHING
"""
_HAS_TOTAL = """
    UPDATE runs SET has_total = {true}
    WHERE EXISTS (
        SELECT 1 FROM model_requests
        WHERE model_requests.session_number = runs.session_number
            AND model_requests.run = runs.run AND covered
    ) OR (
        input_tokens + output_tokens > 0 AND NOT EXISTS (
            SELECT 1 FROM model_requests
            WHERE model_requests.session_number = runs.session_number
                AND model_requests.run = runs.run
        )
    )
"""


def upgrade() -> None:
    op.drop_index("ix_sessions_cost", "sessions")
    for table in _TABLES:
        for name in (*_NEW_COUNTS, "cost_nanodollars"):
            count = sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
            op.add_column(table, count)
        op.execute(_TO_NANODOLLARS.format(table=table))
        op.drop_column(table, "cost_microdollars")
    op.create_index("ix_sessions_cost", "sessions", ["cost_nanodollars", "number"])
    op.add_column(
        "runs", sa.Column("has_total", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    _derive_sums()
    _create_facts()


def _derive_sums() -> None:
    most = {name: 10**17 if name == "cost_nanodollars" else 10**15 for name in _SUMS}
    op.execute("DELETE FROM usage_sums")
    op.execute(
        _USAGE_SUMS.format(
            counts=", ".join(_SUMS),
            counted=", ".join(_COUNTED.format(name, most[name]) for name in _SUMS),
            sums=", ".join(map(_SUM.format, _SUMS)),
        )
    )


def _create_facts() -> None:
    op.create_table(
        "usage_facts",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("request_key", sa.Text(), nullable=False),
        sa.Column("session_number", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("covered", sa.Boolean(), nullable=False),
        sa.Column("inherited", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger()),
        *(sa.Column(name, sa.Text()) for name in _DETAILS),
        *(sa.Column(name, sa.BigInteger()) for name in _COUNTS),
        sa.Column("cost_nanodollars", sa.BigInteger()),
        sa.Column("cost_source", sa.String(8)),
        sa.Column("prices_as_of", sa.String(10)),
        sa.UniqueConstraint("request_key", name="uq_usage_facts_key"),
        sa.ForeignKeyConstraint(
            ["session_number"],
            ["sessions.number"],
            name="fk_usage_facts_session",
            ondelete="CASCADE",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_usage_facts_run", "usage_facts", ["session_number", "run", "covered"])
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    true, false = ("1", "0") if is_sqlite else ("true", "false")
    op.execute(
        _FACTS.format(
            counts=", ".join(_OLD_COUNTS),
            old_counts=", ".join(f"model_requests.{name}" for name in _OLD_COUNTS),
            false=false,
        )
    )
    op.execute(_HAS_TOTAL.format(true=true))
    op.drop_table("model_requests")

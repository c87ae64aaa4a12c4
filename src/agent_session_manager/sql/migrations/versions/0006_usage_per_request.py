"""What each model request used, and of how many tokens the cost is unknown.

Totals of before were told with their cost, or with a cost of 0 that nobody can tell from it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
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


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")


def upgrade() -> None:
    for table in ("sessions", "runs"):
        op.add_column(table, _count("unpriced_tokens"))
    op.create_table(
        "model_requests",
        sa.Column("session_number", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("covered", sa.Boolean(), nullable=False),
        *(_count(name) for name in _COUNTS),
        sa.PrimaryKeyConstraint("session_number", "request_id", name="pk_model_requests"),
        sa.ForeignKeyConstraint(
            ["session_number"],
            ["sessions.number"],
            name="fk_model_requests_session",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_model_requests_run", "model_requests", ["session_number", "run", "covered"])

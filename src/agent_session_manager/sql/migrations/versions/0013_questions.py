"""Open questions of agents to a person. Earlier versions stored none."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "questions",
        sa.Column("session_number", sa.BigInteger, nullable=False),
        sa.Column("question_id", sa.String(128), nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("session_number", "question_id", name="pk_questions"),
        sa.ForeignKeyConstraint(
            ["session_number"],
            ["sessions.number"],
            name="fk_questions_session",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_questions_asked_at", "questions", ["asked_at", "session_number", "seq"])

"""Transcripts, their entries and their summaries."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_HAS_ID = sa.text("entry_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "transcripts",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("project_key", sa.Text(), nullable=False),
        sa.Column("session_id", sa.String(length=128), nullable=False),
        sa.Column("subpath", sa.Text(), nullable=False),
        sa.Column("last_position", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("project_key", "session_id", "subpath", name="uq_transcripts_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_transcripts_session_id", "transcripts", ["session_id"])
    op.create_table(
        "transcript_entries",
        sa.Column("transcript_number", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("transcript_number", "position", name="pk_transcript_entries"),
        sa.ForeignKeyConstraint(
            ["transcript_number"],
            ["transcripts.number"],
            name="fk_transcript_entries_transcript",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "uq_transcript_entries_entry_id",
        "transcript_entries",
        ["transcript_number", "entry_id"],
        unique=True,
        sqlite_where=_HAS_ID,
        postgresql_where=_HAS_ID,
    )
    op.create_table(
        "transcript_summaries",
        sa.Column("transcript_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("transcript_number"),
        sa.ForeignKeyConstraint(
            ["transcript_number"],
            ["transcripts.number"],
            name="fk_transcript_summaries_transcript",
            ondelete="CASCADE",
        ),
    )

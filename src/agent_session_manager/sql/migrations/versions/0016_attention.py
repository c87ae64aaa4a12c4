"""What sessions expect of a person, with the first line of their prompt and the last of each run.

The ends of all earlier runs count as seen. The lines are read from the events.
"""

from collections.abc import Iterator
from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_AT_ONCE = 100
_ANSWERS = sa.text(
    "SELECT runs.session_number AS number, runs.run AS run, events.fields AS fields FROM runs"
    " JOIN events ON events.session_number = runs.session_number"
    " AND events.seq = runs.answer_seq"
    " WHERE (runs.session_number, runs.run) > (:number, :run)"
    " ORDER BY runs.session_number, runs.run LIMIT :count"
)
_PROMPTS = sa.text(
    "SELECT sessions.number AS number, events.fields AS fields FROM sessions"
    " JOIN events ON events.session_number = sessions.number AND events.seq = ("
    "  SELECT min(seq) FROM events WHERE events.session_number = sessions.number"
    "  AND events.event_type = 'message')"
    " WHERE sessions.number > :number ORDER BY sessions.number LIMIT :count"
)
_SET_OUTCOME = sa.text(
    "UPDATE runs SET outcome = :line WHERE session_number = :number AND run = :run"
)
_SET_PROMPT = sa.text("UPDATE sessions SET prompt = :line WHERE number = :number")
_SET_ASKS = "UPDATE sessions SET attention = 'asks' WHERE state = 'waiting' AND archived_at IS NULL"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("prompt", sa.Text()))
    op.add_column(
        "sessions", sa.Column("seen_run", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("sessions", sa.Column("attention", sa.String(8)))
    op.add_column("runs", sa.Column("outcome", sa.Text()))
    op.add_column(
        "runs", sa.Column("denied_calls", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("runs", sa.Column("denied_tools", sa.Text()))
    op.create_index("ix_sessions_attention", "sessions", ["attention", "list_order", "number"])
    connection = op.get_bind()
    for found in _pages(connection, _ANSWERS, {"number": 0, "run": 0}):
        lines = [
            {"number": row.number, "run": row.run, "line": line}
            for row in found
            if (line := _last_line(_text(row.fields, role="assistant"))) is not None
        ]
        if lines:
            connection.execute(_SET_OUTCOME, lines)
    for found in _pages(connection, _PROMPTS, {"number": 0}):
        lines = [
            {"number": row.number, "line": line}
            for row in found
            if (line := _first_line(_text(row.fields, role="user"))) is not None
        ]
        if lines:
            connection.execute(_SET_PROMPT, lines)
    op.execute("UPDATE sessions SET seen_run = last_run WHERE status = 'finished'")
    op.execute(_SET_ASKS)


def _pages(
    connection: sa.Connection, query: sa.TextClause, after: dict[str, int]
) -> Iterator[list[Any]]:
    """Yield the rows of a query in pages; `after` has the columns of its order."""
    while found := list(connection.execute(query, {**after, "count": _AT_ONCE})):
        yield found
        after = {name: getattr(found[-1], name) for name in after}


def _text(fields: Any, *, role: str) -> str:
    """Return the text of a person's prompt or of an answer; empty for any other content."""
    try:
        event = orjson.loads(fields)
        if event.get("role") != role or event.get("origin") or event.get("inherited"):
            return ""
        return "\n".join(b["text"] for b in event["content"] if b.get("type") == "text")
    except (ValueError, TypeError, KeyError, AttributeError):  # damaged, or of another shape
        return ""


def _first_line(text: str) -> str | None:
    for line in text[:16384].splitlines():
        if found := line.strip():
            return found if len(found) <= 200 else found[:199] + "…"
    return None


def _last_line(text: str) -> str | None:
    for line in reversed(text[-16384:].splitlines()):
        if found := line.strip(" \t*_`#>~=-"):
            return found if len(found) <= 200 else "…" + found[-199:]
    return None

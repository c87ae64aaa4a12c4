"""Tokens of runs: only their digests are stored."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert

from agent_session_manager.sql.read.current_state import get_current
from agent_session_manager.sql.schema.tables import run_tokens
from agent_session_manager.store.changes import RevokeRunToken


def insert_run_token(connection: Connection, number: int, run: int, digest: str) -> None:
    values = {"digest": digest, "session_number": number, "run": run}
    connection.execute(insert(run_tokens), values)


def revoke_run_token(connection: Connection, change: RevokeRunToken) -> int:
    current = get_current(connection, change.session_id)
    revoked = connection.execute(
        delete(run_tokens).where(
            run_tokens.c.session_number == current.number, run_tokens.c.run == change.run
        )
    )
    return revoked.rowcount

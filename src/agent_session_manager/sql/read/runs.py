"""Runs of a session, requests to them, and the earliest expiry of all leases."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from agent_session_manager.domain.sessions.request import Request, RequestState
from agent_session_manager.domain.sessions.session import Run
from agent_session_manager.sql.read.sessions import NUMBER, one
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import requests, runs

_NEXT_EXPIRY = select(func.min(runs.c.lease_expires_at)).where(runs.c.lease_expires_at.is_not(None))


def list_runs(connection: Connection, session_id: str) -> list[Run]:
    query = select(runs).order_by(runs.c.run)
    number = one(connection, NUMBER, session_id).number
    found = connection.execute(query.where(runs.c.session_number == number)).all()
    return [rows.to_run(row) for row in found]


def list_requests(
    connection: Connection, session_id: str, run: int, *, state: RequestState | None = None
) -> list[Request]:
    """List the requests to a run, in the order of their creation."""
    query = select(requests).where(requests.c.run == run).order_by(requests.c.number)
    if state is not None:
        query = query.where(requests.c.state == state.value)
    number = one(connection, NUMBER, session_id).number
    found = connection.execute(query.where(requests.c.session_number == number)).all()
    return [rows.to_request(row) for row in found]


def next_expiry(connection: Connection) -> datetime | None:
    """Return the earliest expiry of all leases; None if there are no leases."""
    moment = connection.scalar(_NEXT_EXPIRY)
    return None if moment is None else rows.to_nearest_moment(moment)

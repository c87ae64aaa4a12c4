"""Paths in the address of the manager's page, which follow the one-time code."""

from __future__ import annotations


def page_path(session_id: str | None, seq: int | None) -> str:
    """Return the path of an event of a session, of a session, or of the page Now."""
    if session_id is None:
        return "/"
    session = f"/sessions/{session_id}"
    return session if seq is None else f"{session}/seq/{seq}"

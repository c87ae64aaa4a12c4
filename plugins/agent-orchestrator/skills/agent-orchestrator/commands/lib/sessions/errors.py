"""Why something cannot be done with a session, for whoever asked for it."""

from __future__ import annotations


class SessionError(Exception):
    """It cannot be done; the text says why and what to do."""


class SessionUsageError(SessionError):
    """It cannot be done as it was asked for: with another name, agent or program it can."""

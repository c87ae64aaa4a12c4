"""Deadlines of connections."""

from __future__ import annotations

STALLED_SECONDS = 8.0
"""Time after which a reader that takes nothing is disconnected."""

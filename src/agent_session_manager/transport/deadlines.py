"""How long a connection may take."""

from __future__ import annotations

STALLED_SECONDS = 8.0
"""How long a reader may take nothing before it is cut off."""

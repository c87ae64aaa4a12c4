"""What an event is on this side of the wire."""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]
"""One event in its wire form: flat fields, JSON values only."""

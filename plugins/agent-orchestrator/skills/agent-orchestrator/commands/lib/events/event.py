"""The type of an event on the client side."""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]
"""One event in its wire form: flat fields, JSON values only."""

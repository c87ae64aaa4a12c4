"""Limits that several routes share and that clients can see."""

from __future__ import annotations

MAX_PAGE = 1000
"""Number of sessions, events or entries in one page."""
MAX_NUMBER = 2**63 - 1
"""The largest number that the database can hold."""
MAX_RUN = 2**31 - 1
"""The largest number of a run."""
MAX_DOLLARS = 10**9
"""The largest cost in a filter."""
NANODOLLARS_PER_DOLLAR = 10**9

MAX_FAILURES = 20
"""Number of failed logins within `WINDOW_SECONDS` after which further ones get 429."""
WINDOW_SECONDS = 60.0

"""Sizes of a full and of a quick measurement."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Effort:
    """The size of a measurement: more rounds make medians steadier, more work longer rounds."""

    rounds: int
    requests_per_session: int
    lists_per_session: int
    client_events: int
    starts: int
    follow_rounds: int
    page_rounds: int
    follow_seconds: float
    pressure_seconds: float
    malformed_requests: int
    searched_events: int
    search_rounds: int
    import_files: int
    import_rounds: int
    import_line_mb: int


FULL = Effort(
    rounds=12,
    requests_per_session=200,
    lists_per_session=12,
    client_events=200,
    starts=16,
    follow_rounds=5,
    page_rounds=7,
    follow_seconds=4.0,
    pressure_seconds=5.0,
    malformed_requests=200_000,
    searched_events=200_000,
    search_rounds=10,
    import_files=1000,
    import_rounds=2,
    import_line_mb=300,
)
QUICK = Effort(
    rounds=3,
    requests_per_session=100,
    lists_per_session=6,
    client_events=100,
    starts=4,
    follow_rounds=2,
    page_rounds=2,
    follow_seconds=2.0,
    pressure_seconds=2.0,
    malformed_requests=4_000,
    searched_events=10_000,
    search_rounds=3,
    import_files=40,
    import_rounds=1,
    import_line_mb=48,
)

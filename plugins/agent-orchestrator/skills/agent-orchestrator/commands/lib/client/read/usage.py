"""Queries for usage, in days of the local calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from ...machine.time_zone import start_of, to_local, zone_name

_EVER = "1970-01-01T00:00:00+00:00"


def usage_query(*, bucket: str, group: str, since: date | None, limit: int) -> dict[str, str]:
    """Return the query for the usage since a day; None is the beginning of the record."""
    offset = to_local(datetime.now(UTC)).utcoffset() or timedelta()
    name = zone_name()
    return {
        "bucket": bucket,
        "group": group,
        "since": _EVER if since is None else start_of(since).isoformat(),
        "limit": str(limit),
        "utc_offset_minutes": str(offset // timedelta(minutes=1)),
        **({"time_zone": name} if name else {}),
    }

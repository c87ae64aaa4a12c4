"""The local time zone: its name, and the days of its calendar."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

LOCALTIME = Path("/etc/localtime")
_ZONES = "zoneinfo/"


def zone_name(localtime: Path = LOCALTIME) -> str | None:
    """Return the IANA name of the local zone; None if the system does not tell it.

    The name is that of the link at `localtime`, if that zone has the offset of local time.
    """
    with suppress(OSError, ValueError):
        _, found, name = str(localtime.readlink()).partition(_ZONES)
        now = datetime.now(UTC)
        if found and now.astimezone(ZoneInfo(name)).utcoffset() == now.astimezone().utcoffset():
            return name
    return None


def start_of(day: date) -> datetime:
    """Return the start of a local day."""
    return datetime.combine(day, time.min).astimezone()


def today() -> date:
    return datetime.now(UTC).astimezone().date()

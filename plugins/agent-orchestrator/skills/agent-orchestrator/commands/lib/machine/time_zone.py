"""The local time zone: its name, and the days of its calendar."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .environment import variables

LOCALTIME = Path("/etc/localtime")
_ZONES = "zoneinfo/"


def zone_name(localtime: Path = LOCALTIME) -> str | None:
    """Return the IANA name of the local zone; None if the system does not tell it.

    The name is that of `TZ`, else of the link at `localtime`, if that zone has the offset of local
    time.
    """
    with suppress(OSError, ValueError, ZoneInfoNotFoundError):
        given = variables().get("TZ")
        name = str(localtime.readlink()).partition(_ZONES)[2] if given is None else given
        now = datetime.now(UTC)
        if name and now.astimezone(ZoneInfo(name)).utcoffset() == now.astimezone().utcoffset():
            return name
    return None


def start_of(day: date) -> datetime:
    """Return the first moment of a local day."""
    midnight = datetime.combine(day, time.min)
    start = midnight.astimezone()
    # Where the clock goes forward at midnight, Python takes the missing hour for one before it.
    return start if start.date() == day else midnight.replace(fold=1).astimezone()


def today() -> date:
    return datetime.now(UTC).astimezone().date()

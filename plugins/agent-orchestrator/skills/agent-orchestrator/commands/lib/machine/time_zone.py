"""The local time zone: its name, and the days of its calendar."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time
from pathlib import Path

from .environment import variables

LOCALTIME = Path("/etc/localtime")
_ZONES = "zoneinfo/"


def zone_name(localtime: Path = LOCALTIME) -> str | None:
    """Return the IANA name of the local zone; None if the system does not tell it.

    The name is that of `TZ`, else of the link at `localtime`, if that zone has the offset of local
    time.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # late: most commands need no names

    with suppress(OSError, ValueError, ZoneInfoNotFoundError):
        given = variables().get("TZ")
        name = str(localtime.readlink()).partition(_ZONES)[2] if given is None else given
        now = datetime.now(UTC)
        if name and now.astimezone(ZoneInfo(name)).utcoffset() == to_local(now).utcoffset():
            return name
    return None


def to_local(moment: datetime) -> datetime:
    """Return a moment in local time; one without a zone is local already.

    UTC, if the offset of `TZ` is a day or more: C allows it, Python does not.
    """
    try:
        local = moment.astimezone()
        is_missing = moment.tzinfo is None and local.replace(tzinfo=None) != moment
        # Python takes a time that the clock leaves out for an earlier one.
        return moment.replace(fold=1).astimezone() if is_missing else local
    except ValueError:
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def start_of(day: date) -> datetime:
    """Return the first moment of a local day."""
    return to_local(datetime.combine(day, time.min))


def today() -> date:
    return to_local(datetime.now(UTC)).date()

"""Time zones: the time spans in which a zone has one UTC offset, and the start of its days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_LAST = datetime.max.replace(tzinfo=UTC) - 2 * _DAY


@dataclass(frozen=True, kw_only=True)
class Span:
    """A time span that starts at `begin`, in which a zone is ahead of UTC by `offset`."""

    begin: datetime
    offset: timedelta


def spans_of(zone: tzinfo, since: datetime, days: int) -> list[Span]:
    """Return the spans of the `days` days after `since`; the last span has no end."""
    begin = min(since.astimezone(UTC), _LAST)
    spans = [Span(begin=begin, offset=_offset(zone, begin))]
    for _ in range(days):
        after = min(begin + _DAY, _LAST)
        if _offset(zone, after) != spans[-1].offset:
            change = _change_between(zone, begin, after)
            spans.append(Span(begin=change, offset=_offset(zone, change)))
        begin = after
    return spans


def _change_between(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """Return the first second after `before` in which the offset is different."""
    offset = _offset(zone, before)
    while after - before > _SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle <= before:
            break
        before, after = (middle, after) if _offset(zone, middle) == offset else (before, middle)
    return after


def _offset(zone: tzinfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def day_start(zone: tzinfo, local_midnight: datetime) -> datetime:
    """Return the start of a day in the zone; if midnight is skipped, the time of the change."""
    return local_midnight.replace(tzinfo=zone).astimezone(UTC)

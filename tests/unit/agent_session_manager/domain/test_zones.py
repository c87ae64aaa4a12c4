"""Offset changes and starts of days in time zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from agent_session_manager.domain.zones import day_start, spans_of

HOUR = timedelta(hours=1)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_spans_split_at_offset_changes() -> None:
    since = moment("2026-01-01T12:34:56.789")
    table: dict[str, list[tuple[str, float]]] = {
        "UTC": [],
        "Asia/Kathmandu": [],
        "Europe/Berlin": [("2026-03-29T01:00", 2), ("2026-10-25T01:00", 1)],
        "America/St_Johns": [("2026-03-08T05:30", -2.5), ("2026-11-01T04:30", -3.5)],
        "Australia/Lord_Howe": [("2026-04-04T15:00", 10.5), ("2026-10-03T15:30", 11)],
        "America/Santiago": [("2026-04-05T03:00", -4), ("2026-09-06T04:00", -3)],
    }
    for name, changes in table.items():
        spans = spans_of(ZoneInfo(name), since, 365)
        assert spans[0].begin == since, name
        found = [(span.begin, span.offset / HOUR) for span in spans[1:]]
        assert found == [(moment(text), offset) for text, offset in changes], name
    (fixed,) = spans_of(timezone(90 * timedelta(minutes=1)), datetime.max.replace(tzinfo=UTC), 400)
    assert fixed.offset == timedelta(minutes=90)


def test_day_starts_at_midnight_or_at_the_skipped_hour() -> None:
    table = {
        ("Europe/Berlin", "2026-03-29"): "2026-03-28T23:00",
        ("Europe/Berlin", "2026-03-30"): "2026-03-29T22:00",
        ("Europe/Berlin", "2026-10-26"): "2026-10-25T23:00",
        ("America/Santiago", "2026-09-06"): "2026-09-06T04:00",  # midnight does not exist
    }
    for (zone, day), start in table.items():
        assert day_start(ZoneInfo(zone), moment(day)) == moment(start), (zone, day)

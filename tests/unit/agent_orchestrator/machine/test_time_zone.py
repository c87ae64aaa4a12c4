"""The local time zone: its name, and the starts of its days."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

import agent_orchestrator
from agent_orchestrator.console.since import SinceMoment
from agent_orchestrator.console.terminal.output import local_time
from agent_orchestrator.machine.time_zone import start_of, zone_name

LIB = Path(agent_orchestrator.__file__).parent


@pytest.fixture
def local_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str | None], None]]:
    """Yield a function that sets `TZ` of this process; None removes it."""

    def change(name: str | None) -> None:
        if name is None:
            monkeypatch.delenv("TZ", raising=False)
        else:
            monkeypatch.setenv("TZ", name)
        time.tzset()

    yield change
    monkeypatch.undo()
    time.tzset()


def test_local_zone_is_the_linked_one_with_the_local_offset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TZ", raising=False)
    link = tmp_path / "localtime"
    for target, name in (
        ("UTC", "UTC"),
        ("Asia/Kathmandu", None),
        ("../etc", None),
        ("No", None),
    ):
        link.unlink(missing_ok=True)
        link.symlink_to(f"/usr/share/zoneinfo/{target}")
        is_utc = datetime.now(UTC).astimezone().utcoffset() == timedelta()
        assert zone_name(link) == (name if is_utc else None)
    assert zone_name(tmp_path / "missing") is None


def test_zone_of_the_environment_goes_before_the_link(
    local_zone: Callable[[str | None], None], tmp_path: Path
) -> None:
    """A zone that has the same offset today can have another one at a time of the report."""
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/UTC")
    for given, name in (
        *((each, each) for each in ("Africa/Abidjan", "Europe/Berlin", "Asia/Kathmandu")),
        *((each, None) for each in ("", "CET-1CEST", "Nowhere/At_All", ":/etc/localtime")),
    ):
        local_zone(given)
        assert zone_name(link) == name, given


def test_zone_that_python_cannot_represent_is_shown_as_utc(
    local_zone: Callable[[str | None], None],
) -> None:
    for zone in ("XXX99", "<+24>-24"):
        local_zone(zone)
        assert local_time("2026-03-29T12:00:00+00:00") == "2026-03-29 12:00:00 UTC+00:00"
        assert start_of(date(2026, 3, 29)) == datetime(2026, 3, 29, tzinfo=UTC)
        assert zone_name() is None


def test_commands_ask_only_here_for_local_time() -> None:
    """Python's own conversion fails in zones that C allows, and errs at a change of the clock."""
    asking = [path for path in LIB.rglob("*.py") if ".astimezone()" in path.read_text()]
    assert asking == [LIB / "machine" / "time_zone.py"]


def test_days_begin_at_their_own_midnight(local_zone: Callable[[str | None], None]) -> None:
    since = SinceMoment()
    for zone, day, start in (
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00"),
        ("Europe/Berlin", "2026-03-30", "2026-03-29T22:00"),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00"),
        ("Europe/Berlin", "2026-10-26", "2026-10-25T23:00"),
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00"),  # midnight does not exist
        ("America/Havana", "2026-11-01", "2026-11-01T04:00"),  # midnight exists twice
        ("Asia/Kathmandu", "2026-03-29", "2026-03-28T18:15"),
    ):
        local_zone(zone)
        assert since.convert(day, None, None) == datetime.fromisoformat(f"{start}+00:00"), day

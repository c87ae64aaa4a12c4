"""The option `--since`: the beginning of a period of the record, by day or exactly."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

from ..machine.time_zone import start_of, today

_HOURS = re.compile(r"([1-9][0-9]{0,4})(h|m)", re.ASCII)
_DAYS = re.compile(r"([1-9][0-9]{0,4})d", re.ASCII)
_WORDS = {"today": "1d", "yesterday": "2d"}


class Since(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """The beginning of a period: `today`, `yesterday`, a number of days, a date, or `all`."""

    name = "since"
    forms = ""
    """Further forms, for the error."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the local day; None for the whole time."""
        text = str(value)
        if text == "all":
            return None
        days = _DAYS.fullmatch(_WORDS.get(text, text))
        try:
            if days is not None:
                return today() - timedelta(days=int(days[1]) - 1)
            day = date.fromisoformat(text)
            start_of(day).astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"{text!r} is not {self.forms}today, 7d, a date such as 2026-11-01, or all.",
                param,
                ctx,
            )
        return day


class SinceMoment(Since):
    """The beginning of a period: also a number of hours (`2h`) or minutes (`30m`)."""

    forms = "2h, "

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the moment; None for the whole time."""
        if isinstance(value, datetime):
            return value
        short = _HOURS.fullmatch(str(value))
        if short is not None:
            unit = timedelta(hours=1) if short[2] == "h" else timedelta(minutes=1)
            return datetime.now(UTC) - int(short[1]) * unit
        day = super().convert(value, param, ctx)
        return None if day is None else start_of(day)


def since_option(begin: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return an option `--since`; its help begins with what it selects."""
    return click.option(
        "--since",
        type=SinceMoment(),
        metavar="WHEN",
        help=f"{begin} since: `2h`, `today`, `yesterday`, `7d` for today and the 6 days before, or "
        "a date.",
    )

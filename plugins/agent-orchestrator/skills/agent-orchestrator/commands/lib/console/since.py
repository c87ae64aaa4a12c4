"""The option `--since` of commands that read a period of the record."""

from __future__ import annotations

import re
from datetime import UTC, date, timedelta
from typing import Any

import click

from ..machine.time_zone import start_of, today

_DAYS = re.compile(r"([1-9][0-9]{0,4})d", re.ASCII)


class Since(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """The beginning of a period: a number of days, a date, or `all`."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the local day; None for the whole time."""
        text = str(value)
        if text == "all":
            return None
        days = _DAYS.fullmatch(text)
        try:
            if days is not None:
                return today() - timedelta(days=int(days[1]) - 1)
            day = date.fromisoformat(text)
            start_of(day).astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            self.fail(f"{text!r} is not 7d, a date such as 2026-11-01, or all.", param, ctx)
        return day

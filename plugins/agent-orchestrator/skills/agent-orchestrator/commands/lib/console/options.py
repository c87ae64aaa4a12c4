"""Options of several commands, and the types of their values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import click

LARGEST_NUMBER = 2**63 - 1
"""The largest `seq` that a database can hold."""

_SIZE = re.compile(r"([0-9]{1,12})([kKmM]?)", re.ASCII)
_UNITS = {"": 1, "k": 1024, "m": 1024 * 1024}

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


class WholeNumber(click.IntRange):
    """A number that fits into the database. `--help` does not show the upper limit."""

    name = "whole number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if number > LARGEST_NUMBER:
            self.fail(f"the largest number is {LARGEST_NUMBER}.", param, ctx)
        return number


class Size(WholeNumber):
    """A number of bytes, such as `500`, `4k` or `1m`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = _SIZE.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not a size such as 500, 4k or 1m.", param, ctx)
        return super().convert(int(found[1]) * _UNITS[found[2].lower()], param, ctx)


class Seconds(click.FloatRange):
    """A finite time in seconds."""

    name = "number of seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


class AskPolicy(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """A time that questions wait for a person: `deny`, `forever`, or such as `10m`."""

    name = "ask"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        # Late: all commands import this module, and two have the option.
        from ..executors.ask_policy import parse_policy

        try:
            return parse_policy(str(value))
        except ValueError as exc:
            self.fail(f"{exc}.", param, ctx)


class Amount(click.FloatRange):
    """A finite amount of money."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        amount = super().convert(value, param, ctx)
        if not math.isfinite(amount):
            self.fail(f"{value!r} is not an amount.", param, ctx)
        return amount


project_option = click.option(
    "--project-dir",
    metavar="DIR",
    help="Project directory. Default: $AGENT_ORCHESTRATOR_PROJECT_DIR, else the nearest "
    "directory upwards with .agent-orchestrator or .git, else the working directory.",
)
agents_option = click.option(
    "--agents-dir",
    metavar="DIR",
    help="Directory of agent definitions. Default: $AGENT_ORCHESTRATOR_AGENTS_DIR, else "
    "PROJECT/.agent-orchestrator/agents.",
)


def json_option(text: str) -> Decorator:
    """Return an option `--json` with a help text of the command's own."""
    return click.option("--json", "as_json", is_flag=True, help=text)

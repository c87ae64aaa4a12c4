"""Options of several commands, and the types of their values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import click

LARGEST_NUMBER = 2**63 - 1
"""The largest `seq` that a database can hold."""

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


class WholeNumber(click.IntRange):
    """A number that fits into the database. `--help` does not show the upper limit."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if number > LARGEST_NUMBER:
            self.fail(f"the largest number is {LARGEST_NUMBER}.", param, ctx)
        return number


class Seconds(click.FloatRange):
    """A finite time in seconds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


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

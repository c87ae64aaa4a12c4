"""`ao-usage`: tokens and money that agents have used."""

from __future__ import annotations

import sys
from datetime import date
from typing import Any

import click

from ..client.read.usage import usage_query
from ..console.command import Command, configure
from ..console.connect import open_manager
from ..console.options import WholeNumber, json_option
from ..console.since import Since
from ..console.tables.usage import age_of_prices, lines
from ..console.terminal.output import answer_json, local_parts, note, short_id
from ..console.terminal.screen import screen_of
from ..machine.time_zone import today

EXAMPLES = """\
  ao-usage
  ao-usage --by project --since today
  ao-usage --by model --since 7d
  ao-usage --by tree --since 2026-11-01 --limit 10
  ao-usage --by project --since all --json | jq '.total.usage'"""

BUCKETS = ("day", "week")
GROUPS = ("project", "agent", "model", "session", "tree")
_FIELDS = {"project": "project_dir", "agent": "agent", "model": "model"}
_UNKNOWN = {"project": "(no project)", "agent": "(no agent)", "model": "unknown"}
MAX_ROWS = 10_000
TIMEOUT_SECONDS = 60.0
"""Time for the manager to sum up several million requests."""


@click.command(cls=Command, examples=EXAMPLES)
@click.option(
    "--by",
    type=click.Choice([*BUCKETS, *GROUPS]),
    default="day",
    show_default=True,
    help="Rows of the table. `tree` is a session with all sessions that were started below it.",
)
@click.option(
    "--since",
    type=Since(),
    metavar="WHEN",
    default="30d",
    show_default=True,
    help="Begin of the period: `today`, `yesterday`, `7d` for today and the 6 days before, a date, "
    "or `all`.",
)
@click.option(
    "-n",
    "--limit",
    type=WholeNumber(min=1, max=MAX_ROWS),
    metavar="N",
    default=1000,
    show_default=True,
    help="Only the first N rows: the oldest days or weeks, or the most expensive others. The "
    "total has all rows.",
)
@json_option("Print the rows, the total, and the number of rows left out as JSON.")
def main(by: str, since: date | None, limit: int, as_json: bool) -> None:
    """Show the tokens and the cost of model requests, of all projects.

    Usage counts at the time of its request, in local days. A week begins on Monday. The cost is
    what agents reported. Where an agent reported none, it is computed with a table of prices, whose
    date is in the last line. A cost that is not known is `unknown`: it is not in the sums. A narrow
    terminal has no columns for the cache and the requests.

    The total of a run that an agent reported can include requests that it did not report one by
    one. These are at the start of the run, and under the model `unknown`.
    """
    report = _read(by, since, limit)
    if as_json:
        answer_json(report)
        return
    rows = [(_name(by, row), row) for row in report["rows"] if _is_shown(by, row)]
    if not rows:
        if sys.stderr.isatty():
            note("nothing was used in this period")
        return
    left_out = report["left_out"]
    last = f"TOTAL, with {left_out} more" if left_out else "TOTAL"
    screen = screen_of()
    for line in lines([*rows, (last, report["total"])], title=by.upper(), screen=screen):
        click.echo(line.rstrip())
    age = age_of_prices(report["total"], today())
    if age is not None:
        note(f"the newest prices are {age} days old: update the manager, or give it --prices FILE")


def _read(by: str, since: date | None, limit: int) -> dict[str, Any]:
    query = usage_query(
        bucket=by if by in BUCKETS else "all",
        group="none" if by in BUCKETS else by,
        since=since,
        limit=limit,
    )
    config = configure(None, must_exist=False)
    with open_manager(config, for_people=True, timeout_seconds=TIMEOUT_SECONDS) as manager:
        return manager.report_usage(query)


def _is_shown(by: str, row: dict[str, Any]) -> bool:
    """Return whether to show a row. Runs have no model: without usage, their row is empty."""
    return by != "model" or row["requests"] > 0 or any(row["usage"].values())


def _name(by: str, row: dict[str, Any]) -> str:
    if by in BUCKETS:
        return local_parts(row["start"])[0]
    if by in _FIELDS:
        return row[_FIELDS[by]] or _UNKNOWN[by]
    return f"{row['session_name']} {short_id(row['session_id'])}"

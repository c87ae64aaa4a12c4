"""`python -m benchmarks`: measure and print a table. A missed goal is not an error."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median

import click

from benchmarks.effort import FULL, QUICK
from benchmarks.machine import look_at_machine
from benchmarks.measure import Row
from benchmarks.rows import ROWS


@click.command()
@click.option(
    "--row",
    "names",
    multiple=True,
    type=click.Choice(list(ROWS)),
    help="Measure only this row; can be repeated.",
)
@click.option("--quick", is_flag=True, help="Use few and short rounds, for a first impression.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path))
def main(names: tuple[str, ...], quick: bool, json_path: Path | None) -> None:
    """Measure how fast the product is, each speed with its limit, in the same run."""
    machine = look_at_machine()
    print(f"{machine}\n")
    rows = []
    for name in names or ROWS:
        print(f"{name} ", end="", file=sys.stderr, flush=True)
        rows.append(ROWS[name](QUICK if quick else FULL))
        print(file=sys.stderr)
    print(_table(rows))
    if json_path is not None:
        document = {"machine": machine.to_json(), "rows": [row.to_json() for row in rows]}
        json_path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _table(rows: list[Row]) -> str:
    lines = [("", "ours", "limit", "ratio (min-max)", "goal", "")]
    for row in rows:
        sign = ">=" if row.is_rate else "<="
        goal = f"{sign} {row.goal}"
        if row.missing:
            lines.append((row.name, "-", "-", "not available", goal, row.missing))
            continue
        ratio = f"{row.ratio:.2f} ({min(row.ratios):.2f}-{max(row.ratios):.2f})"
        ours, limit = (_figure(median(side), row) for side in (row.ours, row.limit))
        lines.append((row.name, ours, limit, ratio, goal, "met" if row.is_met else "missed"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    legend = [f"  {row.name}: {row.what}; limit: {row.beside}" for row in rows]
    return "\n".join([*table, "", *legend])


def _figure(value: float, row: Row) -> str:
    return f"{value:,.0f} {row.unit}" if row.is_rate else f"{value:.3f} {row.unit}"


if __name__ == "__main__":
    main()

"""The progress of an import, and its result, for people."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .output import clean, note

if TYPE_CHECKING:
    from ..history.importer.find import Found
    from ..history.importer.report import Problem, Report

MAX_SHOWN = 20
TIMEOUT_SECONDS = 60.0
"""A part of history takes longer than an event."""


@contextmanager
def progress(sources: Found) -> Iterator[Any]:
    """Show the progress on stderr if it is a terminal: bytes, rate and time left."""
    if not sys.stderr.isatty():
        yield lambda _read: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    total = sum(_size(source.path) if not source.key else 0 for _, source in sources)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(f"{len(sources)} files", total=total)
        yield lambda read: shown.advance(task, read)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def print_report(report: Report, *, dry_run: bool) -> None:
    counts = report.counts
    verb = "would be imported" if dry_run else "imported"
    click.echo(
        f"{counts['sessions']:,} {'' if dry_run else 'new '}sessions, {counts['events']:,} events "
        f"and {counts['requests']:,} model requests {verb} from {counts['sources']:,} files"
        + (f" ({counts['unchanged']:,} unchanged)" if counts["unchanged"] else "")
    )
    for name, text in _OTHERS:
        if counts[name]:
            click.echo(f"{counts[name]:,} {text}")
    for (agent, kind), count in sorted(report.unknown.items()):
        click.echo(f"{count:,} records of {agent} of the unknown kind {clean(kind)!r} skipped")
    for problem in report.problems[:MAX_SHOWN]:
        note_problem(problem)
    if len(report.problems) > MAX_SHOWN:
        note(f"{len(report.problems) - MAX_SHOWN} more problems: --json lists them")


def note_problem(problem: Problem) -> None:
    path, place, reason = problem
    where = f"{path}: {place}" if place else path
    note(f"{clean(where)}: {clean(reason)}")


_OTHERS = (
    ("copied", "events are copies that forks begin with"),
    ("gone", "sessions remain, although their files no longer exist"),
    ("held", "files wait for the end of a run that is open: import again later"),
    ("deleted", "files belong to sessions that were deleted in the manager"),
    ("shortened", "records were too long: long texts in them were shortened"),
    ("broken", "broken records skipped"),
    ("refused", "events refused by the manager"),
    ("not_understood", "files not understood"),
    ("failed", "files not read"),
)

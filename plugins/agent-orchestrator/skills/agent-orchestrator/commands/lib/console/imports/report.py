"""The progress of an import, and its result, for people."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...shared.plurals import counted
from ..terminal.output import clean, note
from ..terminal.screen import error_console

if TYPE_CHECKING:
    from ...history.importer.sources.find import Found
    from ...history.importer.sources.report import Problem, Report

MAX_SHOWN = 20
TIMEOUT_SECONDS = 60.0
"""A part of history takes longer than an event."""


@contextmanager
def progress(sources: Found) -> Iterator[Any]:
    """Show the progress on stderr if it is a terminal: bytes, rate and time left."""
    if not sys.stderr.isatty():
        yield lambda _read: None
        return
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
    with Progress(*columns, console=error_console(), transient=True) as shown:
        task = shown.add_task(counted(len(sources), "file"), total=total)
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
        f"{counted(counts['sessions'], 'session' if dry_run else 'new session')}, "
        f"{counted(counts['events'], 'event')} and {counted(counts['requests'], 'model request')} "
        f"{verb} from {counted(counts['sources'], 'file')}"
        + (f" ({counts['unchanged']:,} unchanged)" if counts["unchanged"] else "")
    )
    for name, text in _OTHERS:
        if counts[name]:
            noun, rest = text
            click.echo(f"{counted(counts[name], noun)} {rest}")
    for (agent, kind), count in sorted(report.unknown.items()):
        click.echo(
            f"{counted(count, 'record')} of {agent} of the unknown kind {clean(kind)!r} skipped"
        )
    for problem in report.problems[:MAX_SHOWN]:
        note_problem(problem)
    if len(report.problems) > MAX_SHOWN:
        note(f"{counted(len(report.problems) - MAX_SHOWN, 'more problem')}: --json lists them")


def note_problem(problem: Problem) -> None:
    path, place, reason = problem
    where = f"{path}: {place}" if place else path
    note(f"{clean(where)}: {clean(reason)}")


_OTHERS = (
    ("copied", ("copied event", "at the beginning of forks")),
    ("gone", ("session", "kept, although the file no longer exists")),
    ("held", ("file", "waiting for the end of an open run: import again later")),
    ("deleted", ("file", "skipped: the session was deleted in the manager")),
    ("shortened", ("long record", "imported with shortened texts")),
    ("broken", ("broken record", "skipped")),
    ("refused", ("record", "refused by the manager")),
    ("not_understood", ("file", "not understood")),
    ("failed", ("file", "not read")),
)

"""`ao-import`: import the sessions that agents keep in files of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..client.connect import client_of
from ..console.command import FAILED, USAGE, Command, CommandError, configure
from ..console.connect import open_manager
from ..console.options import json_option, project_option
from ..console.output import answer_json, clean, note
from ..machine.environment import state_dir
from ..shared.counted import counted

if TYPE_CHECKING:
    from ..config import Config
    from ..history.format import Format, Source
    from ..history.importer.report import Report

EXAMPLES = """\
  ao-import
  ao-import --dry-run
  ao-import --agent claude --since 30d
  ao-import ~/backup/claude/projects"""

MAX_SHOWN = 20
TIMEOUT_SECONDS = 60.0
"""A part of history takes longer than an event."""


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[PATH]…")
@click.option("--dry-run", is_flag=True, help="Only read and count; store nothing.")
@click.option(
    "--agent",
    "agents",
    multiple=True,
    metavar="AGENT",
    help="Only the sessions of this agent, such as `claude` or `codex`; can be given several "
    "times.",
)
@click.option(
    "--since",
    metavar="TIME",
    help="Only files that changed since a date (`2026-03-01`), or within days (`30d`), hours "
    "(`12h`) or weeks (`2w`).",
)
@project_option
@json_option("Print the counts as JSON.")
def main(
    paths: tuple[Path, ...],
    dry_run: bool,
    agents: tuple[str, ...],
    since: str | None,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """Import the sessions of coding agents from their files on this machine.

    Without a PATH, every place is read where a known agent keeps its sessions. A PATH is a file, or
    a directory with files of agents. The files are only read.

    An import can be stopped and repeated at any time: it continues where it ended, and a file costs
    only its new lines. Credentials that are recognised are masked. Imported sessions remain if the
    agent deletes its files.
    """
    # Late: parsing needs modules that other commands do without.
    from ..history.importer.find import NoSuchAgentError, TimeError, find_sources
    from ..history.importer.table import all_formats

    config = configure(project_dir, must_exist=False)
    try:
        sources = find_sources(paths, agents, since)
    except (NoSuchAgentError, TimeError) as exc:
        raise CommandError(str(exc), USAGE) from exc
    if not sources and paths:
        raise CommandError(f"no sessions of {_named(agents)} were found in these paths")
    searched = () if paths or since else agents or tuple(all_formats())
    report = _count(sources) if dry_run else _import(sources, searched, config)
    if as_json:
        answer_json(report.to_json())
    elif sources:
        _print(report, dry_run=dry_run)
    else:
        click.echo(f"no sessions of {_named(agents)} were found on this machine")
    if report.has_failed:
        sys.exit(FAILED)


def _named(agents: Sequence[str]) -> str:
    return " or ".join(agents) if agents else "a known agent"


def _count(sources: list[tuple[Format, Source]]) -> Report:
    from ..history.importer.importer import count_sources
    from ..history.importer.report import Report

    report = Report()
    with _progress(sources) as told:
        count_sources(sources, report, told)
    return report


def _import(
    sources: list[tuple[Format, Source]], searched: Sequence[str], config: Config
) -> Report:
    """Import the sources; `searched` are the agents whose sources are all among them."""
    from ..history.importer.importer import Importer
    from ..history.importer.report import Report
    from ..history.importer.state import open_state

    report = Report()
    try:
        with (
            open_manager(config, for_people=True) as found,
            client_of(found.base_url, timeout_seconds=TIMEOUT_SECONDS) as manager,
            open_state(state_dir(), manager.get_generation()) as state,
            _progress(sources) as told,
        ):
            importer = Importer(manager, state, report, told)
            importer.run(sources)
            importer.mark_gone(sources, searched)
    except KeyboardInterrupt:
        note("stopped; the next import continues here")
        _print(report, dry_run=False)
        raise
    return report


@contextmanager
def _progress(sources: list[tuple[Format, Source]]) -> Iterator[Any]:
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

    total = sum(_size(source) for _, source in sources)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(counted(len(sources), "file"), total=total)
        yield lambda read: shown.advance(task, read)


def _size(source: Source) -> int:
    try:
        return source.path.stat().st_size if not source.key else 0
    except OSError:
        return 0


def _print(report: Report, *, dry_run: bool) -> None:
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
    for path, place, reason in report.problems[:MAX_SHOWN]:
        where = f"{path}: {place}" if place else path
        note(f"{clean(where)}: {clean(reason)}")
    if len(report.problems) > MAX_SHOWN:
        note(f"{counted(len(report.problems) - MAX_SHOWN, 'more problem')}: --json lists them")


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

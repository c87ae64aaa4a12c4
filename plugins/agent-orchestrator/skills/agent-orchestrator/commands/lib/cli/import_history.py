"""`ao-import`: import the sessions that agents keep in files of their own."""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..console.command import FAILED, USAGE, Command, CommandError, configure
from ..console.connect import open_manager
from ..console.imports.report import TIMEOUT_SECONDS, print_report, progress
from ..console.options import json_option, project_option
from ..console.terminal.output import answer_json, note
from ..machine.environment import state_dir

if TYPE_CHECKING:
    from ..config import Config
    from ..history.format import Format, Source
    from ..history.importer.sources.find import Search
    from ..history.importer.sources.report import Report

EXAMPLES = """\
  ao-import
  ao-import --dry-run
  ao-import --agent claude --since 30d
  ao-import ~/backup/claude/projects
  ao-import --watch"""


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
@click.option(
    "--watch",
    "watches",
    is_flag=True,
    help="Import everything, then follow the places of the agents and import each change, "
    "until Ctrl-C.",
)
@click.option(
    "--poll",
    "polls",
    is_flag=True,
    help="With --watch: look for changes every few seconds, and do not wait for the operating "
    "system to report them. Network file systems need it.",
)
@click.option(
    "--until-eof",
    is_flag=True,
    help="With --watch: also end when stdin ends. For programs that start this command.",
)
@click.option(
    "--noted",
    is_flag=True,
    help="Import only the sessions that the hooks of the Claude Code plugin have noted, and follow "
    "them while they grow. The hooks start this.",
)
@project_option
@json_option("Print the counts as JSON; with --watch, a line for each import that had news.")
def main(
    paths: tuple[Path, ...],
    dry_run: bool,
    agents: tuple[str, ...],
    since: str | None,
    watches: bool,
    polls: bool,
    until_eof: bool,
    noted: bool,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """Import the sessions of coding agents from their files on this machine.

    Without a PATH, every place is read where a known agent keeps its sessions. A PATH is a file, or
    a directory with files of agents. The files are only read.

    An import can be stopped and repeated at any time: it continues where it ended, and a file costs
    only its new lines. Credentials that are recognised are masked. Imported sessions remain if the
    agent deletes its files.

    With --watch, sessions that you start by hand appear while they run. One such command is enough
    for a machine. It waits for a manager that has stopped, and tries files that cannot be read
    again later, those of its own state directory too.
    """
    # Late: parsing needs modules that other commands do without.
    from ..history.importer.sources.format_table import all_formats

    config = configure(project_dir, must_exist=False)
    if noted:
        from ..console.imports.notes import import_notes

        import_notes(config)
        return
    if watches:
        if paths or dry_run:
            raise CommandError(
                "--watch follows the agents' own places: omit PATH and --dry-run", USAGE
            )
        from ..console.imports.watch import Options, watch_history

        watch_history(config, agents, Options(since, polls, until_eof, as_json))
        return
    if polls or until_eof:
        raise CommandError("--poll and --until-eof need --watch", USAGE)
    sources, failed = _search(paths, agents, since)
    searched = () if paths or since else set(agents or all_formats()) - failed.keys()
    report = _count(sources) if dry_run else _import(sources, searched, config)
    for problem in failed.values():
        report.add_failure(problem)
    if as_json:
        answer_json(report.to_json())
    elif sources or failed:
        print_report(report, dry_run=dry_run)
    else:
        click.echo(f"no sessions of {_named(agents)} were found on this machine")
    if report.has_failed:
        sys.exit(FAILED)


def _search(paths: Sequence[Path], agents: Sequence[str], since: str | None) -> Search:
    from ..history.importer.sources.find import NoSuchAgentError, TimeError, find_sources

    try:
        found = find_sources(paths, agents, since)
    except (NoSuchAgentError, TimeError) as exc:
        raise CommandError(str(exc), USAGE) from exc
    if paths and not (found.sources or found.failed):
        raise CommandError(f"no sessions of {_named(agents)} were found in these paths")
    return found


def _named(agents: Sequence[str]) -> str:
    return " or ".join(agents) if agents else "a known agent"


def _count(sources: list[tuple[Format, Source]]) -> Report:
    from ..history.importer.dry_run import count_sources
    from ..history.importer.sources.report import Report

    report = Report()
    with progress(sources) as told:
        count_sources(sources, report, told)
    return report


def _import(
    sources: list[tuple[Format, Source]], searched: Collection[str], config: Config
) -> Report:
    """Import the sources; `searched` are the agents whose sources are all among them."""
    from ..history.importer.importer import Importer
    from ..history.importer.sources.report import Report
    from ..history.importer.sources.state import open_state

    report = Report()
    _collect_less_often()
    try:
        with (
            open_manager(config, for_people=True, timeout_seconds=TIMEOUT_SECONDS) as manager,
            open_state(state_dir(), manager.get_generation()) as state,
            progress(sources) as told,
        ):
            importer = Importer(manager, state, report, told)
            importer.run(sources)
            importer.mark_gone(sources, searched)
    except KeyboardInterrupt:
        note("stopped; the next import continues here")
        print_report(report, dry_run=False)
        raise
    return report


def _collect_less_often() -> None:
    """Collect garbage less often: parsing makes many objects and no cycles."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)

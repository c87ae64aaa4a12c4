"""`export` and `import`: the record as JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import click

from agent_session_manager.cli.options import (
    FILE,
    PROGRAM,
    database_options,
    fail,
    json_option,
    refusals,
    settings_from,
)
from agent_session_manager.machine.discovery import prepare_state_dir
from agent_shared.plurals import counted

_NO_FILE = Path("-")


@click.command("export")
@click.argument("file", type=FILE, default=_NO_FILE)
@click.option(
    "--session", "session_ids", multiple=True, metavar="ID", help="Only this session. Repeatable."
)
@database_options
@json_option
def export_(
    file: Path,
    session_ids: tuple[str, ...],
    state_dir: str | None,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Write all sessions to a new FILE as JSON lines.

    Without FILE, or with `-`, the lines go to stdout. A manager may serve the database during the
    export, which shows the state at one moment. FILE must not exist, and appears only when it is
    complete. Only its owner can read it.

    Exit code 1 if the export failed; then no FILE is left.

    \b
    Examples:
      agent-session-manager export ~/sessions.jsonl
      agent-session-manager export --session 0b5c… | gzip > one.jsonl.gz
      agent-session-manager export --database-url postgresql://localhost/agents all.jsonl
    """
    from agent_session_manager.sql.care.exporting_file import written_whole
    from agent_session_manager.sql.transfer.exporter import export

    settings = settings_from(state_dir=state_dir, database_url=database_url)
    url = settings.resolved_database_url
    now = round(datetime.now(UTC).timestamp() * 1_000_000)
    is_file = file != _NO_FILE
    if as_json and not is_file:
        raise click.UsageError("--json needs a FILE: the export itself goes to the standard output")
    with refusals(), shown("exporting") as progress:
        if is_file:
            with written_whole(file) as to:
                counts = export(url, to, now=now, session_ids=session_ids, progress=progress)
        else:
            counts = export(
                url, sys.stdout.buffer, now=now, session_ids=session_ids, progress=progress
            )
            sys.stdout.buffer.flush()
    if as_json:
        click.echo(json.dumps({"file": str(file), "bytes": file.stat().st_size, **counts}))
    elif is_file:
        click.echo(f"exported to {file}: {listed(counts)}, {file.stat().st_size} bytes")


@click.command("import")
@click.argument("file", type=FILE)
@click.option(
    "--skip-existing", is_flag=True, help="Skip sessions that are in the database already."
)
@database_options
@json_option
def import_(
    file: Path, skip_existing: bool, state_dir: str | None, database_url: str | None, as_json: bool
) -> None:
    """Import the sessions that `export` wrote to FILE.

    `-` reads them from stdin. The database may be new or contain other sessions. No manager may
    serve a SQLite database during the import. Readers that followed these sessions in another
    database start again.

    Exit code 1 if the import failed; then nothing was changed.

    \b
    Examples:
      agent-session-manager import ~/sessions.jsonl
      zcat one.jsonl.gz | agent-session-manager import -
      agent-session-manager import --database-url postgresql://localhost/agents all.jsonl
    """
    from agent_session_manager.sql.database.errors import DatabaseInUseError
    from agent_session_manager.sql.transfer.format import ImportRefusedError
    from agent_session_manager.sql.transfer.importer import import_export

    settings = settings_from(state_dir=state_dir, database_url=database_url)
    with refusals(), read_from(file) as (lines, size), shown("importing") as progress:
        if not settings.database_url:
            prepare_state_dir(settings.state_dir)
        read = 0

        def count(some: int) -> None:
            nonlocal read
            read += some
            progress(read, size)

        try:
            done = import_export(
                settings.resolved_database_url,
                lines,
                skip_existing=skip_existing,
                progress=count,
            )
        except ImportRefusedError as exc:
            fail(f"{file}: {exc}")
        except DatabaseInUseError as exc:
            fail(f"{exc.path} belongs to {exc.owner}: stop it first: {PROGRAM} stop")
    if as_json:
        click.echo(json.dumps({"file": str(file), **done.counts, "skipped": done.skipped}))
        return
    click.echo(f"imported {file}: {listed(done.counts)}")
    if done.skipped:
        click.echo(f"left as they are, because they exist already: {', '.join(done.skipped)}")


@contextmanager
def read_from(file: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Yield the input and its size; the size is 0 if it is unknown."""
    if file == _NO_FILE:
        yield sys.stdin.buffer, 0
        return
    try:
        lines = file.open("rb")
    except OSError as exc:
        fail(f"cannot read {file}: {exc.strerror}")
    with lines:
        yield lines, file.stat().st_size


@contextmanager
def shown(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal; yield the function that updates it."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    bar: Any = click.progressbar(length=1, label=label, file=sys.stderr)

    def show(done: int, total: int) -> None:
        bar.length = max(total, 1)
        bar.update(min(done, bar.length) - bar.pos)

    with bar:
        yield show


def listed(counts: dict[str, int]) -> str:
    """Return counts by their nouns in the plural, as a list."""
    nouns = {name: f"{name[:-3]}y" if name.endswith("ies") else name[:-1] for name in counts}
    some = (counted(count, nouns[name]) for name, count in counts.items() if count)
    return ", ".join(some) or "nothing"

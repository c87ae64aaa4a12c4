"""The subcommands that keep the record and move it: from `backup` to `import`."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import click

from agent_session_manager.cli.options import (
    PROGRAM,
    database_file,
    database_option,
    fail,
    json_option,
    refusals,
    settings_from,
    state_dir_option,
)
from agent_session_manager.machine.discovery import Announcement, find_managers, prepare_state_dir
from agent_session_manager.settings import Settings

FILE = click.Path(path_type=Path)
VACUUM_TIMEOUT_SECONDS = 3600.0
"""What a manager may take; it does everything else meanwhile."""
_NO_FILE = Path("-")


@click.command()
@click.argument("file", type=FILE)
@state_dir_option
@database_option
@json_option
def backup(file: Path, state_dir: str | None, database_url: str | None, as_json: bool) -> None:
    """Copy the SQLite database to FILE, which is not there yet; a manager may serve meanwhile.

    \b
    Example:
      agent-session-manager backup ~/sessions-monday.db
    """
    from agent_session_manager.sql.care.backup import back_up

    with refusals():
        database = database_file(settings_from(state_dir=state_dir, database_url=database_url))
        contents = back_up(database, file)
    size = file.stat().st_size
    if as_json:
        shown = {"file": str(file), "database": str(database), "bytes": size, **asdict(contents)}
        click.echo(json.dumps(shown))
    else:
        click.echo(f"backed up {database} to {file}: {contents}, {size} bytes")


@click.command()
@click.argument("file", type=FILE, required=False)
@state_dir_option
@database_option
def verify(file: Path | None, state_dir: str | None, database_url: str | None) -> None:
    """Check the SQLite database, or a backup in FILE; exit 1 with all that is wrong.

    \b
    Examples:
      agent-session-manager verify
      agent-session-manager verify ~/sessions-monday.db
    """
    from agent_session_manager.sql.care.verify import verify as find_problems

    if file is not None and database_url is not None:
        raise click.UsageError("FILE and --database-url name two databases: give one")
    with refusals():
        settings = settings_from(state_dir=state_dir, database_url=database_url)
        database = file or database_file(settings)
        contents, problems = find_problems(database)
    for problem in problems:
        click.echo(f"{PROGRAM}: {problem}", err=True)
    if problems:
        sys.exit(1)
    click.echo(f"{database} is whole: {contents}")


@click.command()
@click.argument("file", type=FILE)
@state_dir_option
@database_option
def restore(file: Path, state_dir: str | None, database_url: str | None) -> None:
    """Put the backup in FILE in the place of the SQLite database, which is kept aside.

    \b
    Example:
      agent-session-manager stop && agent-session-manager restore ~/sessions-monday.db
    """
    from agent_session_manager.sql.care.restore import restore as put_back

    with refusals():
        settings = settings_from(state_dir=state_dir, database_url=database_url)
        database = database_file(settings)
        if not settings.database_url:
            prepare_state_dir(settings.state_dir)
        done = put_back(file, database, now=datetime.now(UTC))
    click.echo(f"restored {database} from {file}: {done.contents}")
    if done.replaced is not None:
        click.echo(f"the database that was there is {done.replaced}")
    click.echo("readers of its feeds begin anew: what they have seen may not be in it")


@click.command()
@state_dir_option
@database_option
def accept_loss(state_dir: str | None, database_url: str | None) -> None:
    """Go on with a SQLite database that has lost something; it is kept aside as it is."""
    from agent_session_manager.sql.care.accept_loss import accept_loss as accept

    with refusals():
        database = database_file(settings_from(state_dir=state_dir, database_url=database_url))
        done = accept(database, now=datetime.now(UTC))
    for lost in done.losses:
        click.echo(f"lost: {lost}")
    if done.kept is not None:
        click.echo(f"the database as it was is {done.kept}")
    click.echo("readers of its feeds begin anew")


@click.command()
@state_dir_option
@database_option
@json_option
def vacuum(state_dir: str | None, database_url: str | None, as_json: bool) -> None:
    """Give the space of deleted sessions back to the disk.

    A manager that serves the SQLite database does it, a little at a time between its commits;
    where none does, the file is rebuilt.

    \b
    Example:
      agent-session-manager vacuum
    """
    from agent_session_manager.sql.care.vacuum import vacuum as rebuild
    from agent_session_manager.sql.database.errors import DatabaseInUseError

    settings = settings_from(state_dir=state_dir, database_url=database_url)
    with refusals():
        database = database_file(settings)
        try:
            done = rebuild(database)
        except DatabaseInUseError as exc:
            freed = _ask_to_vacuum(settings, str(exc))
        else:
            freed = {**asdict(done), "freed_bytes": done.freed_bytes}
    if as_json:
        click.echo(json.dumps({"database": str(database), **freed}))
    else:
        given_back = max(0, freed["freed_bytes"])  # a first one may add a page of bookkeeping
        click.echo(f"{database} takes {freed['after_bytes']} bytes: {given_back} were given back")


@click.command("export")
@click.argument("file", type=FILE, default=_NO_FILE)
@click.option(
    "--session", "session_ids", multiple=True, metavar="ID", help="Only this one. Repeatable."
)
@state_dir_option
@database_option
@json_option
def export_(
    file: Path,
    session_ids: tuple[str, ...],
    state_dir: str | None,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Write everything that is kept to FILE, or to the standard output, as JSON lines.

    All of it is of one moment, and a manager may serve meanwhile. FILE must not be there yet, and
    is there only once it is whole. It is as private as the database.

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
    with refusals(), _shown("exporting") as progress:
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
        click.echo(f"exported to {file}: {_counted(counts)}, {file.stat().st_size} bytes")


@click.command("import")
@click.argument("file", type=FILE)
@click.option("--skip-existing", is_flag=True, help="Leave sessions as they are that are there.")
@state_dir_option
@database_option
@json_option
def import_(
    file: Path, skip_existing: bool, state_dir: str | None, database_url: str | None, as_json: bool
) -> None:
    """Take in what `export` wrote to FILE, or - for the standard input: all of it or nothing.

    The database may be new, or have sessions of its own. No manager may serve a SQLite database
    meanwhile. Readers that followed these sessions elsewhere begin anew.

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
    with refusals(), _read_from(file) as (lines, size), _shown("importing") as progress:
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
    click.echo(f"imported {file}: {_counted(done.counts)}")
    if done.skipped:
        click.echo(f"left as they are, because they are there already: {', '.join(done.skipped)}")


MAINTENANCE = (backup, verify, restore, accept_loss, vacuum, export_, import_)


def _ask_to_vacuum(settings: Settings, refusal: str) -> dict[str, int]:
    """Let the manager do it that owns the database, if it can be found and reached."""
    found = _manager_of_database(settings)
    if found is None:
        fail(refusal)
    address = urlsplit(found.url)
    connection = http.client.HTTPConnection(
        address.hostname or "", address.port, timeout=VACUUM_TIMEOUT_SECONDS
    )
    try:
        connection.request(
            "POST",
            "/maintenance/vacuum",
            body="{}",
            headers={
                "Authorization": f"Bearer {found.token}",
                "Content-Type": "application/json",
            },
        )
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as exc:
        fail(f"the manager at {found.url} did not answer: {exc}")
    finally:
        connection.close()
    if response.status != 200:
        fail(str(answer.get("detail", f"the manager answered {response.status}")))
    return {name: int(answer[name]) for name in ("before_bytes", "after_bytes", "freed_bytes")}


def _manager_of_database(settings: Settings) -> Announcement | None:
    from agent_session_manager.sql.database.url import file_of, parse_url

    database = database_file(settings).absolute()
    for found in find_managers(settings.state_dir):
        url = parse_url(found.database)
        is_file = url.get_backend_name() == "sqlite" and file_of(url).exists()
        if found.is_reachable and is_file and database.samefile(file_of(url)):
            return found
    return None


@contextmanager
def _read_from(file: Path) -> Iterator[tuple[BinaryIO, int]]:
    """What is read, and how much there is of it; 0 where nobody knows."""
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
def _shown(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that says how far long work has come, for people who look at it."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    bar: Any = click.progressbar(length=1, label=label, file=sys.stderr)

    def show(done: int, total: int) -> None:
        bar.length = max(total, 1)
        bar.update(min(done, bar.length) - bar.pos)

    with bar:
        yield show


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing"

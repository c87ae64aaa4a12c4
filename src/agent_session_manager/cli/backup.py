"""`backup`, `verify`, `restore` and `accept-loss`: a database and its copies."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from agent_session_manager.cli.options import (
    FILE,
    PROGRAM,
    database_file,
    database_options,
    json_option,
    refusals,
    settings_from,
)
from agent_session_manager.machine.discovery import prepare_state_dir


@click.command()
@click.argument("file", type=FILE)
@database_options
@json_option
def backup(file: Path, state_dir: str | None, database_url: str | None, as_json: bool) -> None:
    """Copy the SQLite database to a new FILE.

    A manager may serve the database during the backup. FILE must not exist. For PostgreSQL use
    `pg_dump`.

    Exit code 1 if the backup failed; then no FILE is left.

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
@database_options
def verify(file: Path | None, state_dir: str | None, database_url: str | None) -> None:
    """Check the SQLite database, or the backup in FILE.

    A manager may serve the database during the check. For PostgreSQL use `pg_amcheck`.

    Exit code 0 if the database is undamaged. Otherwise the command prints all problems and ends
    with 1.

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
@database_options
def restore(file: Path, state_dir: str | None, database_url: str | None) -> None:
    """Replace the SQLite database with the backup in FILE.

    No manager may serve the database. The replaced database is kept next to it, and its name is
    printed. For PostgreSQL use `pg_restore`.

    Exit code 1 if the backup could not be restored; then nothing was changed.

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
        click.echo(f"the replaced database is kept as {done.replaced}")
    click.echo("readers of its feeds start again: it may lack events that they have seen")


@click.command()
@database_options
def accept_loss(state_dir: str | None, database_url: str | None) -> None:
    """Accept that a SQLite database has lost data.

    Managers refuse to serve a database that has lost data. This command keeps a copy of it, puts
    an event of the type `damaged` in the place of each event that cannot be read, and prints the
    losses. Managers then serve the database, and readers of its feeds start again.

    Exit code 1 if this failed; then nothing was changed.
    """
    from agent_session_manager.sql.care.accept_loss import accept_loss as accept

    with refusals():
        database = database_file(settings_from(state_dir=state_dir, database_url=database_url))
        done = accept(database, now=datetime.now(UTC))
    for lost in done.losses:
        click.echo(f"lost: {lost}")
    if done.kept is not None:
        click.echo(f"the old state of the database is kept as {done.kept}")
    click.echo("readers of its feeds start again")

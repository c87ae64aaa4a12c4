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
    database_option,
    json_option,
    refusals,
    settings_from,
    state_dir_option,
)
from agent_session_manager.machine.discovery import prepare_state_dir


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

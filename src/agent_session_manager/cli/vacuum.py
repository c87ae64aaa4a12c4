"""`vacuum`: return the space of deleted data to the file system."""

from __future__ import annotations

import http.client
import json
from dataclasses import asdict
from urllib.parse import urlsplit

import click

from agent_session_manager.cli.options import (
    database_file,
    database_options,
    fail,
    json_option,
    refusals,
    settings_from,
)
from agent_session_manager.machine.discovery import Announcement, find_managers
from agent_session_manager.settings import Settings

VACUUM_TIMEOUT_SECONDS = 3600.0
"""Time limit for a manager, which continues to serve during the vacuum."""


@click.command()
@database_options
@json_option
def vacuum(state_dir: str | None, database_url: str | None, as_json: bool) -> None:
    """Return the space of deleted sessions to the file system.

    A manager that serves the SQLite database frees the space in small steps between its commits.
    If no manager serves it, this command rewrites the file, which needs free space for a second
    one. PostgreSQL does this automatically.

    Exit code 1 if this failed; then nothing was changed.

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
        given_back = max(0, freed["freed_bytes"])  # the first vacuum may add a bookkeeping page
        click.echo(f"{database} takes {freed['after_bytes']} bytes: {given_back} were freed")


def _ask_to_vacuum(settings: Settings, refusal: str) -> dict[str, int]:
    """Ask the manager that owns the database to vacuum it, if it can be found and reached."""
    found = manager_of_database(settings)
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


def manager_of_database(settings: Settings) -> Announcement | None:
    from agent_session_manager.sql.database.url import file_of, parse_url

    database = database_file(settings).absolute()
    for found in find_managers(settings.state_dir):
        url = parse_url(found.database)
        is_file = url.get_backend_name() == "sqlite" and file_of(url).exists()
        if found.is_reachable and is_file and database.samefile(file_of(url)):
            return found
    return None

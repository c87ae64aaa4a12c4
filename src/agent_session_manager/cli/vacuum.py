"""`vacuum`: give the space of what was deleted back to the file system."""

from __future__ import annotations

import http.client
import json
from dataclasses import asdict
from urllib.parse import urlsplit

import click

from agent_session_manager.cli.options import (
    database_file,
    database_option,
    fail,
    json_option,
    refusals,
    settings_from,
    state_dir_option,
)
from agent_session_manager.machine.discovery import Announcement, find_managers
from agent_session_manager.settings import Settings

VACUUM_TIMEOUT_SECONDS = 3600.0
"""What a manager may take; it does everything else meanwhile."""


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


def _ask_to_vacuum(settings: Settings, refusal: str) -> dict[str, int]:
    """Let the manager do it that owns the database, if it can be found and reached."""
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

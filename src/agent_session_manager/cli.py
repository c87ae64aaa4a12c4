"""`agent-session-manager`: serve, and look after the manager that serves."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from agent_session_manager import __version__
from agent_session_manager.discovery import (
    Announcement,
    DiscoveryError,
    DiscoveryFile,
    discovery_path,
    find_manager,
    log_path,
    prepare_state_dir,
)
from agent_session_manager.settings import (
    PREFIX,
    Settings,
    SettingsError,
    environment,
    load_settings,
)

PROGRAM = "agent-session-manager"
STOP_TIMEOUT_SECONDS = 15.0
_POLL_SECONDS = 0.05
_FOLLOW_SECONDS = 0.25
FILE = click.Path(path_type=Path)

port_option = click.option("--port", type=click.IntRange(0, 65535), help="Default: 8765.")
state_dir_option = click.option(
    "--state-dir",
    metavar="DIR",
    help="Default: $XDG_STATE_HOME/agent-orchestrator, else ~/.local/state/agent-orchestrator.",
)
database_option = click.option(
    "--database-url", metavar="URL", help="sqlite:///PATH or postgresql://… ."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name=PROGRAM)
def main() -> None:
    """Keep every agent session in a database and serve it over HTTP on this machine."""


@main.command()
@port_option
@state_dir_option
@database_option
@click.option(
    "--allow-host", "allow_hosts", multiple=True, metavar="HOST:PORT", help="For a tunnel's name."
)
@click.option(
    "--auth",
    type=click.Choice(["on", "off"]),
    help="off: let everybody on this machine in, without a token. Default: on.",
)
@click.option(
    "--allow-origin",
    "allow_origins",
    multiple=True,
    metavar="URL",
    help="Let pages of this origin in, such as http://localhost:5173.",
)
def serve(
    port: int | None,
    state_dir: str | None,
    database_url: str | None,
    allow_hosts: tuple[str, ...],
    auth: str | None,
    allow_origins: tuple[str, ...],
) -> None:
    """Serve in the foreground until Ctrl-C or `agent-session-manager stop`.

    \b
    Examples:
      agent-session-manager serve
      agent-session-manager serve --port 9000 --database-url postgresql://localhost/agents
    """
    # Late: the other commands answer without loading a web server and a database toolkit.
    from agent_session_manager.api.server import PortInUseError
    from agent_session_manager.api.server import serve as run_server
    from agent_session_manager.store.engine import DatabaseError
    from agent_session_manager.store.failures import StoreBrokenError

    settings = _settings(
        port=port,
        state_dir=state_dir,
        database_url=database_url,
        allow_hosts=allow_hosts,
        auth=auth,
        allow_origins=allow_origins,
    )
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    for library in ("alembic", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)
    try:
        run_server(settings)
    except PortInUseError:
        _fail(_who_is_on_port(settings))
    except StoreBrokenError as exc:
        click.echo(f"{PROGRAM}: {exc}; start it again: it takes up what is on the disk", err=True)
        sys.stderr.flush()
        os._exit(1)
    except (DiscoveryError, DatabaseError) as exc:
        _fail(str(exc))


@main.command()
@port_option
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON; the token is left out.")
def status(port: int | None, state_dir: str | None, as_json: bool) -> None:
    """Say whether a manager serves, and from where; exit 3 if none does."""
    settings = _settings(port=port, state_dir=state_dir)
    found = _find(settings)
    if as_json:
        shown = None if found is None else _public(found)
        click.echo(json.dumps({"running": found is not None, "manager": shown}))
    elif found is None:
        click.echo(f"no manager serves on port {settings.port}; start one: {PROGRAM} serve")
    else:
        click.echo(f"running: {found.url} (version {found.version}, process {found.pid})")
        click.echo(f"database: {found.database}")
        click.echo(f"log: {log_path(settings.state_dir, settings.port)}")
    sys.exit(0 if found else 3)


@main.command()
@port_option
@state_dir_option
def stop(port: int | None, state_dir: str | None) -> None:
    """Stop the manager that serves, after it has finished what is under way."""
    settings = _settings(port=port, state_dir=state_dir)
    found = _find(settings)
    if found is None:
        click.echo(f"no manager serves on port {settings.port}", err=True)
        sys.exit(3)
    # The lock on the discovery file says that this process is alive and the manager.
    os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while (still := _find(settings)) is not None and still.instance == found.instance:
        if time.monotonic() > deadline:
            _fail(f"the manager (process {found.pid}) is still stopping; see its log")
        time.sleep(_POLL_SECONDS)
    click.echo(f"stopped {found.url}")


@main.command()
@port_option
@state_dir_option
@click.option("-n", "--lines", default=100, show_default=True, type=click.IntRange(min=0))
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
def logs(port: int | None, state_dir: str | None, lines: int, follow: bool) -> None:
    """Print the log of the manager that a command started in the background."""
    settings = _settings(port=port, state_dir=state_dir)
    path = log_path(settings.state_dir, settings.port)
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file.readlines()[-lines:] if lines else file.readlines()[:0]:
                click.echo(line, nl=False)
            while follow:
                fresh = file.read()
                click.echo(fresh, nl=False)
                time.sleep(0 if fresh else _FOLLOW_SECONDS)
    except FileNotFoundError:
        click.echo(f"no log at {path}: a manager in the foreground logs to its terminal", err=True)
        sys.exit(3)
    except KeyboardInterrupt:
        pass


@main.command()
@click.argument("file", type=FILE)
@state_dir_option
@database_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def backup(file: Path, state_dir: str | None, database_url: str | None, as_json: bool) -> None:
    """Copy the SQLite database to FILE, which is not there yet; a manager may serve meanwhile."""
    from agent_session_manager.store.backup import back_up

    with _refusals():
        database = _database(_settings(state_dir=state_dir, database_url=database_url))
        contents = back_up(database, file)
    size = file.stat().st_size
    if as_json:
        shown = {"file": str(file), "database": str(database), "bytes": size, **asdict(contents)}
        click.echo(json.dumps(shown))
    else:
        click.echo(f"backed up {database} to {file}: {contents}, {size} bytes")


@main.command()
@click.argument("file", type=FILE, required=False)
@state_dir_option
@database_option
def verify(file: Path | None, state_dir: str | None, database_url: str | None) -> None:
    """Check the SQLite database, or a backup in FILE; exit 1 with all that is wrong."""
    from agent_session_manager.store.verify import verify as find_problems

    if file is not None and database_url is not None:
        raise click.UsageError("FILE and --database-url name two databases: give one")
    with _refusals():
        settings = _settings(state_dir=state_dir, database_url=database_url)
        database = file or _database(settings)
        contents, problems = find_problems(database)
    for problem in problems:
        click.echo(f"{PROGRAM}: {problem}", err=True)
    if problems:
        sys.exit(1)
    click.echo(f"{database} is whole: {contents}")


@main.command()
@click.argument("file", type=FILE)
@state_dir_option
@database_option
def restore(file: Path, state_dir: str | None, database_url: str | None) -> None:
    """Put the backup in FILE in the place of the SQLite database, which is kept aside."""
    from agent_session_manager.store.restore import restore as put_back

    with _refusals():
        settings = _settings(state_dir=state_dir, database_url=database_url)
        database = _database(settings)
        if not settings.database_url:
            prepare_state_dir(settings.state_dir)
        done = put_back(file, database, now=datetime.now(UTC))
    click.echo(f"restored {database} from {file}: {done.contents}")
    if done.replaced is not None:
        click.echo(f"the database that was there is {done.replaced}")
    click.echo("readers of its feeds begin anew: what they have seen may not be in it")


@main.command()
@state_dir_option
@database_option
def accept_loss(state_dir: str | None, database_url: str | None) -> None:
    """Go on with a SQLite database that has lost something; it is kept aside as it is."""
    from agent_session_manager.store.accepting import accept_loss as accept

    with _refusals():
        database = _database(_settings(state_dir=state_dir, database_url=database_url))
        done = accept(database, now=datetime.now(UTC))
    for lost in done.losses:
        click.echo(f"lost: {lost}")
    if done.kept is not None:
        click.echo(f"the database as it was is {done.kept}")
    click.echo("readers of its feeds begin anew")


@main.command()
@port_option
@state_dir_option
def rotate_token(port: int | None, state_dir: str | None) -> None:
    """Replace the token of the manager that serves on this port, while it does not.

    The old one is refused from then on. Commands on this machine find the new one by themselves.
    """
    settings = _settings(port=port, state_dir=state_dir)
    if settings.token:
        _fail(f"the token is the one in {PREFIX}TOKEN: change it there")
    path = discovery_path(settings.state_dir, settings.port)
    if not os.path.lexists(path):
        click.echo(f"no manager has served on port {settings.port}", err=True)
        sys.exit(3)
    if _find(settings) is not None:
        _fail(f"a manager serves on port {settings.port}; first stop it with: {PROGRAM} stop")
    try:
        file = DiscoveryFile(path)
    except DiscoveryError as exc:
        _fail(str(exc))
    file.rotate_token()
    file.close()
    click.echo(f"the next manager on port {settings.port} has a new token")


@main.command()
def openapi() -> None:
    """Print the OpenAPI document of the HTTP API."""
    from agent_session_manager.api.app import openapi as describe

    click.echo(json.dumps(describe(), indent=2, sort_keys=True))


def _settings(
    *,
    state_dir: str | None,
    port: int | None = None,
    **flags: Any,
) -> Settings:
    try:
        return load_settings(environment(), port=port, state_dir=state_dir, **flags)
    except SettingsError as exc:
        click.echo(f"{PROGRAM}: {exc}", err=True)
        sys.exit(2)


@contextmanager
def _refusals() -> Iterator[None]:
    """What the database refuses in the block is said, and ends in 1."""
    from agent_session_manager.store.engine import DatabaseError

    try:
        yield
    except (DiscoveryError, DatabaseError) as exc:
        _fail(str(exc))


def _database(settings: Settings) -> Path:
    from agent_session_manager.store.engine import sqlite_path

    return sqlite_path(settings.resolved_database_url)


def _find(settings: Settings) -> Announcement | None:
    try:
        return find_manager(settings.state_dir, settings.port)
    except OSError as exc:
        _fail(f"cannot read {settings.state_dir}: {exc.strerror}")


def _public(found: Announcement) -> dict[str, object]:
    shown = asdict(found)
    del shown["token"]
    return shown


def _who_is_on_port(settings: Settings) -> str:
    found = _find(settings)
    if found is None:
        return f"port {settings.port} is in use by another program; choose one with --port"
    return (
        f"a manager serves {found.url} already (process {found.pid}, version {found.version}); "
        f"stop it with: {PROGRAM} stop"
    )


def _fail(message: str) -> NoReturn:
    click.echo(f"{PROGRAM}: {message}", err=True)
    sys.exit(1)

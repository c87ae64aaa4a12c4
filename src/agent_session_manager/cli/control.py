"""`status`, `stop`, `logs` and `rotate-token`: managers that serve from a state directory."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

import click

from agent_session_manager.cli.options import (
    PROGRAM,
    fail,
    find,
    port_option,
    settings_from,
    state_dir_option,
)
from agent_session_manager.machine.discovery import (
    Announcement,
    DiscoveryError,
    DiscoveryFile,
    discovery_path,
    find_managers,
    log_path,
)
from agent_session_manager.settings import Settings
from agent_shared.log import shown
from agent_shared.manager_settings import PREFIX
from agent_shared.place import terminate

STOP_TIMEOUT_SECONDS = 60.0
_POLL_SECONDS = 0.05
_FOLLOW_SECONDS = 0.25


@click.command()
@port_option
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, without the token.")
def status(port: str | None, state_dir: str | None, as_json: bool) -> None:
    """Print whether a manager serves, its database and its log.

    Without `--port` the command also finds a manager on another port, if it is the only one of the
    state directory.

    Exit code 0 if a manager serves, 3 if not.
    """
    settings = settings_from(port=port, state_dir=state_dir)
    found, others = _find_any(settings, port)
    is_running = found is not None and found.is_reachable
    if as_json:
        shown = _public(found) if found is not None and is_running else None
        click.echo(json.dumps({"running": is_running, "manager": shown}))
    elif found is None:
        advice = "" if others else f"; start one: {PROGRAM} serve"
        click.echo(_none_here(settings, others) + advice)
    elif not is_running:
        click.echo(_elsewhere(found))
    else:
        click.echo(f"running: {found.url} (version {found.version}, process {found.pid})")
        click.echo(f"database: {found.database}")
        click.echo(f"log: {log_path(settings.state_dir, found.port)}")
    sys.exit(0 if is_running else 3)


@click.command()
@port_option
@state_dir_option
def stop(port: str | None, state_dir: str | None) -> None:
    """Stop the manager of this port.

    It first completes the requests in progress.

    Exit code 1 if it is still stopping after 60 seconds, 3 if no manager serves.
    """
    settings = settings_from(port=port, state_dir=state_dir)
    found = find(settings)
    if found is None:
        others = find_managers(settings.state_dir)
        click.echo(_none_here(settings, others), err=True)
        sys.exit(3)
    if not found.has_our_processes:
        fail(f"{_elsewhere(found)}: stop it there")
    terminate(found.pid, lambda: find(settings) == found)
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while (still := find(settings)) is not None and still.instance == found.instance:
        if time.monotonic() > deadline:
            fail(f"the manager (process {found.pid}) is still stopping; see its log")
        time.sleep(_POLL_SECONDS)
    click.echo(f"stopped {found.url}")


@click.command()
@port_option
@state_dir_option
@click.option(
    "-n",
    "--lines",
    default=100,
    type=click.IntRange(min=0),
    metavar="N",
    help="Print the last N lines. Default: 100.",
)
@click.option("-f", "--follow", is_flag=True, help="Continue with new lines until Ctrl-C.")
def logs(port: str | None, state_dir: str | None, lines: int, follow: bool) -> None:
    """Print the log of a manager in the background.

    A manager that was started in the foreground logs to its terminal. Without `--port` the command
    also finds a manager on another port, if it is the only one of the state directory.

    Exit code 3 if there is no log.
    """
    settings = settings_from(port=port, state_dir=state_dir)
    found, others = _find_any(settings, port)
    path = log_path(settings.state_dir, settings.port if found is None else found.port)
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file.readlines()[-lines:] if lines else file.readlines()[:0]:
                click.echo(shown(line), nl=False)
            while follow:
                fresh = file.read()
                click.echo(shown(fresh), nl=False)
                time.sleep(0 if fresh else _FOLLOW_SECONDS)
    except FileNotFoundError:
        where = "" if found or not others else f"; {_none_here(settings, others)}"
        click.echo(
            f"no log at {path}: a manager in the foreground logs to its terminal{where}", err=True
        )
        sys.exit(3)
    except KeyboardInterrupt:
        pass


@click.command()
@port_option
@state_dir_option
def rotate_token(port: str | None, state_dir: str | None) -> None:
    """Replace the token of the manager of this port.

    The manager must not be running. The old token is no longer accepted; commands on this machine
    find the new one.

    Exit code 1 if the manager is running, or if AGENT_ORCHESTRATOR_TOKEN sets the token; 3 if no
    manager has served on this port.
    """
    settings = settings_from(port=port, state_dir=state_dir)
    if settings.token:
        fail(f"the token is set in {PREFIX}TOKEN: change it there")
    path = discovery_path(settings.state_dir, settings.port)
    if not os.path.lexists(path):
        click.echo(f"no manager has served on port {settings.port}", err=True)
        sys.exit(3)
    if find(settings) is not None:
        fail(f"a manager serves on port {settings.port}; first stop it with: {PROGRAM} stop")
    try:
        file = DiscoveryFile(path)
    except DiscoveryError as exc:
        fail(str(exc))
    file.rotate_token()
    file.close()
    click.echo(f"the next manager on port {settings.port} has a new token")


def _public(found: Announcement) -> dict[str, object]:
    private = ("token", "host", "processes", "network")
    return {name: value for name, value in asdict(found).items() if name not in private}


def _find_any(
    settings: Settings, port: str | None
) -> tuple[Announcement | None, list[Announcement]]:
    """Find the manager to use, and all managers of the state directory.

    Without a given port, the only manager on another port is used.
    """
    found, all_here = find(settings), list(find_managers(settings.state_dir))
    if found is None and port is None and len(all_here) == 1:
        (found,) = all_here
    return found, all_here


def _none_here(settings: Settings, others: Sequence[Announcement]) -> str:
    """Return a message that no manager serves on the port, with the ports of the others."""
    listed = "".join(f"; one serves on port {other.port}: --port {other.port}" for other in others)
    return f"no manager serves on port {settings.port}{listed}"


def _elsewhere(found: Announcement) -> str:
    return (
        f"the manager on port {found.port} of this state directory runs on {found.host}, in "
        f"another container or machine (process {found.pid} there)"
    )

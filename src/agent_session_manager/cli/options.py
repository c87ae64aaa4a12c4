"""What the subcommands of `agent-session-manager` share: their options, and how they refuse."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from agent_session_manager.machine.discovery import Announcement, DiscoveryError, find_manager
from agent_session_manager.settings import Settings, SettingsError, environment, load_settings
from agent_shared.log import shown

Command = TypeVar("Command", bound=Callable[..., Any])

PROGRAM = "agent-session-manager"
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

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

_KEEPING = (
    ("--backup-every", "backup_every_hours", "HOURS", "Back the SQLite database up by itself."),
    ("--backups-kept", "backups_kept", "COUNT", "How many such backups are kept. Default: 7."),
    ("--archive-after", "archive_after_days", "DAYS", "Archive finished sessions left alone."),
    ("--delete-archived-after", "delete_archived_after_days", "DAYS", "Delete archived sessions."),
    ("--delete-transcripts-after", "delete_transcripts_after_days", "DAYS", "Delete transcripts."),
)


def keeping_options(command: Command) -> Command:
    """The options that say what a manager does to its record by itself; all are off by default."""
    for flag, name, metavar, text in reversed(_KEEPING):
        command = click.option(flag, name, type=float, metavar=metavar, help=text)(command)
    return command


def settings_from(
    *,
    state_dir: str | None,
    port: int | None = None,
    **flags: Any,
) -> Settings:
    try:
        return load_settings(environment(), port=port, state_dir=state_dir, **flags)
    except SettingsError as exc:
        _say(exc)
        sys.exit(2)


@contextmanager
def importing() -> Iterator[None]:
    """Spare the cyclic collector what is imported in the block: it stays, and is no garbage.

    Looking through it again and again took a tenth of a manager's start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def refusals() -> Iterator[None]:
    """What the database refuses in the block is said, and ends in 1."""
    from agent_session_manager.sql.database.errors import DatabaseError

    try:
        yield
    except (DiscoveryError, DatabaseError) as exc:
        fail(str(exc))


def database_file(settings: Settings) -> Path:
    from agent_session_manager.sql.database.url import sqlite_path

    return sqlite_path(settings.resolved_database_url)


def find(settings: Settings) -> Announcement | None:
    try:
        return find_manager(settings.state_dir, settings.port)
    except OSError as exc:
        fail(f"cannot read {settings.state_dir}: {exc.strerror}")


def fail(message: str) -> NoReturn:
    _say(message)
    sys.exit(1)


def _say(problem: object) -> None:
    """On one line of stderr, whatever is in it."""
    click.echo(shown(" ".join(f"{PROGRAM}: {problem}".split())), err=True)

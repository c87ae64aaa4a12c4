"""Shared by the subcommands of `agent-session-manager`: options, settings and errors."""

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
from agent_shared.manager_settings import SETTINGS, Kind, Setting

Command = TypeVar("Command", bound=Callable[..., Any])

PROGRAM = "agent-session-manager"
FILE = click.Path(path_type=Path)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def setting_option(setting: Setting) -> Callable[[Command], Command]:
    """Make the option of a setting. Its value stays a text, which `load_settings` parses."""
    if setting.metavar is None:
        return click.option(
            setting.flag, setting.name, flag_value=setting.sets, help=setting.about, default=None
        )
    return click.option(
        setting.flag,
        setting.name,
        metavar=setting.metavar,
        multiple=setting.kind in _LISTS,
        help=f"{setting.about} Default: {setting.default or setting.default_is}.",
    )


_LISTS = (Kind.HOSTS, Kind.ORIGINS)
_OPTIONS = {setting.name: setting_option(setting) for setting in SETTINGS if setting.flag}
port_option = _OPTIONS["port"]
state_dir_option = _OPTIONS["state_dir"]


def database_options(command: Command) -> Command:
    """Add the options that choose a database: `--state-dir` and `--database-url`."""
    return state_dir_option(_OPTIONS["database_url"](command))


def all_setting_options(command: Command) -> Command:
    """Add the option of each setting, in the order of the table."""
    for option in reversed(_OPTIONS.values()):
        command = option(command)
    return command


def settings_from(**flags: str | tuple[str, ...] | None) -> Settings:
    """Load the settings with these flags, or exit with 2 and the reason."""
    texts = {name: ",".join(f) if isinstance(f, tuple) else f for name, f in flags.items()}
    try:
        return load_settings(environment(), **texts)
    except SettingsError as exc:
        _say(exc)
        sys.exit(2)


@contextmanager
def importing() -> Iterator[None]:
    """Exclude the objects imported in the block from garbage collection: they are permanent.

    Repeated collections of these objects took a tenth of the manager's start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def refusals() -> Iterator[None]:
    """Print an expected error of the block in one line, and exit with 1."""
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
    """Print the problem on stderr in one line, without control characters."""
    click.echo(shown(" ".join(f"{PROGRAM}: {problem}".split())), err=True)

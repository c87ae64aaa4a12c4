"""The process's environment: the one place where commands read it, contract files aside."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from ..config import (
    ENV_AGENTS_DIR,
    ENV_ENABLE_LOGGING,
    ENV_PROJECT_DIR,
    ENV_SESSION_MANAGER_URL,
    ENV_SESSIONS_DIR,
)
from ..shared.sqlite_url import path_in, sqlite_url

PREFIX = "AGENT_ORCHESTRATOR_"
"""Of all variables that are ours. Each list below says which of them somebody gets; none of the
others are passed on, among them tokens, and addresses of databases with their passwords."""
ENV_STATE_DIR = "AGENT_ORCHESTRATOR_STATE_DIR"
ENV_TOKEN = "AGENT_ORCHESTRATOR_TOKEN"
ENV_SESSION_ID = "AGENT_ORCHESTRATOR_SESSION_ID"
"""The session that an agent runs in: what it starts is a child of that. Set for agents."""
RUN_MARKER = "AGENT_ORCHESTRATOR_RUN"
"""Says to which run a process belongs; unique per run. Set for agents, never by a person."""

ENV_RUN_TOKEN = "AGENT_ORCHESTRATOR_RUN_TOKEN"
"""What an agent is let in with by the manager of its run. Set for agents, never by a person."""
ENV_RUN_MANAGER_URL = "AGENT_ORCHESTRATOR_RUN_MANAGER_URL"
"""The one manager which that token is for."""

OF_A_RUN = (ENV_RUN_TOKEN, ENV_RUN_MANAGER_URL, ENV_SESSION_ID, RUN_MARKER)
"""What tells a command that it is inside a run: the supervisor adds these for the agent."""
_FOR_SUPERVISORS = frozenset({ENV_SESSION_MANAGER_URL, ENV_STATE_DIR})
_FOR_AGENTS = frozenset(
    {
        *_FOR_SUPERVISORS,
        ENV_AGENTS_DIR,
        ENV_ENABLE_LOGGING,
        ENV_PROJECT_DIR,
        ENV_SESSIONS_DIR,
    }
)
"""Beside `OF_A_RUN`."""
_OUR_LOOPBACK = ("127.0.0.1", "localhost", "::1")

_PASSED_TO_THE_MANAGER = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "USER", "LOGNAME")

_FILES_OF_THE_MANAGER = ("AGENT_ORCHESTRATOR_TLS_CERTIFICATE", "AGENT_ORCHESTRATOR_TLS_KEY")
ENV_DATABASE_URL = "AGENT_ORCHESTRATOR_DATABASE_URL"
ENV_PORT = "AGENT_ORCHESTRATOR_PORT"
DEFAULT_PORT = 8765

SETTINGS_OF_THE_MANAGER = (
    *_FILES_OF_THE_MANAGER,
    ENV_DATABASE_URL,
    ENV_PORT,
    ENV_STATE_DIR,
    "AGENT_ORCHESTRATOR_ALLOW_HOSTS",
    "AGENT_ORCHESTRATOR_ALLOW_NETWORK",
    "AGENT_ORCHESTRATOR_ALLOW_ORIGINS",
    "AGENT_ORCHESTRATOR_ARCHIVE_AFTER_DAYS",
    "AGENT_ORCHESTRATOR_AUTH",
    "AGENT_ORCHESTRATOR_BACKUPS_KEPT",
    "AGENT_ORCHESTRATOR_BACKUP_EVERY_HOURS",
    "AGENT_ORCHESTRATOR_BIND",
    "AGENT_ORCHESTRATOR_DELETE_ARCHIVED_AFTER_DAYS",
    "AGENT_ORCHESTRATOR_DELETE_TRANSCRIPTS_AFTER_DAYS",
    "AGENT_ORCHESTRATOR_LEASE_SECONDS",
    "AGENT_ORCHESTRATOR_TRANSCRIPTS",
)
"""All but the token: what is set here is for a manager elsewhere, and this one makes its own."""


def agent_environment() -> dict[str, str]:
    """The environment for an agent: the person's own, and of our variables what commands need."""
    return _environment_with(_FOR_AGENTS)


def supervisor_environment() -> dict[str, str]:
    """The environment for a supervisor: the person's own, and of our variables where things are.

    An agent can read the environment of the processes above it. What a supervisor authenticates
    with comes on its stdin; of a run around us it gets nothing, as it is not part of that run.
    """
    return {**_environment_with(_FOR_SUPERVISORS), ENV_STATE_DIR: str(state_dir())}


def _environment_with(ours: Collection[str]) -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name in ours or not name.startswith(PREFIX)
    }


def control_token() -> str | None:
    """The token that the person has set, for a manager elsewhere."""
    return os.environ.get(ENV_TOKEN, "").strip() or None


def run_variables(token: str | None, url: str) -> dict[str, str]:
    """What tells a command that it is inside a run of this manager, whose agent has this token."""
    return {} if token is None else {ENV_RUN_TOKEN: token, ENV_RUN_MANAGER_URL: url}


def run_token_for(url: str) -> str | None:
    """Our token, if we are inside a run of this manager; it is for no other."""
    token = os.environ.get(ENV_RUN_TOKEN)
    given = os.environ.get(ENV_RUN_MANAGER_URL, "")
    try:
        return token if token and _address(given) == _address(url) else None
    except ValueError:  # what is set there is no URL
        return None


def _address(url: str) -> tuple[object, ...]:
    """What a URL leads to, whichever of its names this machine has in it."""
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname in _OUR_LOOPBACK else parts.hostname
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, host, port, parts.path.rstrip("/")


def manager_environment() -> dict[str, str]:
    """The environment for a manager in the background: its settings, and nothing private.

    What names a file may be relative to our directory, which is not the manager's.
    """
    names = (*_PASSED_TO_THE_MANAGER, *SETTINGS_OF_THE_MANAGER)
    passed = {name: os.environ[name] for name in names if name in os.environ}
    files = {
        name: str(Path(passed[name]).expanduser().absolute())
        for name in _FILES_OF_THE_MANAGER
        if passed.get(name)
    }
    if passed.get(ENV_DATABASE_URL):
        passed[ENV_DATABASE_URL] = manager_database()
    return {**passed, **files, ENV_STATE_DIR: str(state_dir())}


def manager_port() -> int:
    """The port of this machine's own manager; what is no port is left for that one to refuse."""
    given = os.environ.get(ENV_PORT, "")
    is_port = given.isascii() and given.isdecimal() and int(given) <= 65535
    return int(given) if is_port else DEFAULT_PORT


def manager_database() -> str:
    """The database of this machine's own manager, as an URL."""
    given = os.environ.get(ENV_DATABASE_URL) or sqlite_url(state_dir() / "sessions.db")
    path = path_in(given)
    return given if path is None else sqlite_url(path.absolute())


def given_project_dir() -> str | None:
    return os.environ.get(ENV_PROJECT_DIR) or None


def named_working_directory() -> Path:
    """The working directory by its name alone, for where it was removed or may not be looked at."""
    try:
        return Path.cwd()
    except OSError:
        named = os.environ.get("PWD", "")
        return Path(named if named.startswith("/") else "/")


def sudo_user_id() -> int | None:
    """The user who called sudo, where sudo started us."""
    caller = os.environ.get("SUDO_UID", "")
    return int(caller) if caller.isascii() and caller.isdigit() else None


def is_manager_given() -> bool:
    return bool(os.environ.get(ENV_SESSION_MANAGER_URL))


class VariableError(ValueError):
    """A variable of the environment, or its absence, leads nowhere; the text says what to set."""


def home() -> Path:
    """The person's home directory.

    Raises:
        VariableError: `HOME` names none, or is not set and the user database knows none either.
    """
    with suppress(RuntimeError):
        if (found := Path.home()).is_absolute():
            return found
    given = os.environ.get("HOME")
    told = "HOME is not set" if given is None else f"HOME is {given!r}"
    raise VariableError(f"{told}, which names no home directory; set it to an absolute path")


def has_api_key() -> bool:
    return bool(os.environ.get("ANTHROPIC_API_KEY"))


def claude_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Where Claude Code keeps what is its own, transcripts among it, if this is its environment."""
    given = environment.get("CLAUDE_CONFIG_DIR")
    return Path(given) if given else Path(environment.get("HOME") or home()) / ".claude"


def search_path() -> str | None:
    return os.environ.get("PATH")


def state_dir() -> Path:
    """Where what belongs to this person on this machine is kept.

    Raises:
        VariableError: it is not known where that is.
    """
    given = os.environ.get(ENV_STATE_DIR)
    if given:
        try:
            return Path(given).expanduser().absolute()
        except (OSError, RuntimeError):  # of an unknown user, or below a directory that is gone
            raise VariableError(
                f"{ENV_STATE_DIR} is {given!r}, which leads nowhere; set it to an absolute path"
            ) from None
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else home() / ".local" / "state"
    return root / "agent-orchestrator"


def outbox_dir(state: Path) -> Path:
    """Where events wait until the manager has them: here, so that looking costs nothing."""
    return state / "outbox"


def parent_session_id() -> str | None:
    """The session that this command was started from, if an agent started it."""
    return os.environ.get(ENV_SESSION_ID) or None


def host() -> str:
    return socket.gethostname() or "unknown"

"""The environment variables: commands read them only here and in the contract files."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from ..config import (
    DEFAULT_SESSION_MANAGER_URL,
    ENV_AGENTS_DIR,
    ENV_ENABLE_LOGGING,
    ENV_PROJECT_DIR,
    ENV_SESSION_MANAGER_URL,
    ENV_SESSIONS_DIR,
)
from ..shared.sqlite_url import path_in, sqlite_url

PREFIX = "AGENT_ORCHESTRATOR_"
"""Prefix of all our variables. Each list below names those that a kind of process receives. Others
are not passed on, among them tokens, and database URLs with passwords."""
ENV_STATE_DIR = "AGENT_ORCHESTRATOR_STATE_DIR"
ENV_TOKEN = "AGENT_ORCHESTRATOR_TOKEN"
ENV_SESSION_ID = "AGENT_ORCHESTRATOR_SESSION_ID"
"""The session that an agent runs in; sessions that it starts are its children. Set for agents."""
RUN_MARKER = "AGENT_ORCHESTRATOR_RUN"
"""The mark of the run that a process belongs to; unique per run. Set for agents only."""

ENV_RUN_TOKEN = "AGENT_ORCHESTRATOR_RUN_TOKEN"
"""The token of an agent, for the manager of its run. Set for agents, never by a person."""
ENV_RUN_MANAGER_URL = "AGENT_ORCHESTRATOR_RUN_MANAGER_URL"
"""The URL of the only manager that the run token is for."""

ENV_ASK = "AGENT_ORCHESTRATOR_ASK"

OF_A_RUN = (ENV_RUN_TOKEN, ENV_RUN_MANAGER_URL, ENV_SESSION_ID, RUN_MARKER)
"""Variables that are set only inside a run; the supervisor adds them for the agent."""
_FOR_SUPERVISORS = frozenset({ENV_SESSION_MANAGER_URL, ENV_STATE_DIR})
_FOR_AGENTS = frozenset(
    {
        *_FOR_SUPERVISORS,
        ENV_AGENTS_DIR,
        ENV_ASK,
        ENV_ENABLE_LOGGING,
        ENV_PROJECT_DIR,
        ENV_SESSIONS_DIR,
    }
)
"""In addition to `OF_A_RUN`."""
_OUR_LOOPBACK = ("127.0.0.1", "localhost", "::1")

_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_NO_PROXY = ("no_proxy", "NO_PROXY")

_PASSED_TO_THE_MANAGER = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "USER", "LOGNAME")

ENV_DATABASE_URL = "AGENT_ORCHESTRATOR_DATABASE_URL"
ENV_PORT = "AGENT_ORCHESTRATOR_PORT"
DEFAULT_PORT = int(DEFAULT_SESSION_MANAGER_URL.rpartition(":")[2])
"""Also the default in the table of settings, which is imported late."""


def variables() -> Mapping[str, str]:
    """Return the variables of the person, for agents' own places of files."""
    return os.environ


def agent_environment() -> dict[str, str]:
    """Return the environment for an agent: the person's, with our variables for commands."""
    return _environment_with(_FOR_AGENTS)


def supervisor_environment() -> dict[str, str]:
    """Return the environment for a supervisor: the person's, with our variables for locations.

    An agent can read the environment of its ancestor processes. So a supervisor receives its tokens
    on stdin. It receives nothing from a surrounding run, because it is not part of that run.
    """
    return {**_environment_with(_FOR_SUPERVISORS), ENV_STATE_DIR: str(state_dir())}


def _environment_with(ours: Collection[str]) -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name in ours or not name.startswith(PREFIX)
    }


def control_token() -> str | None:
    """Return the token that the person has set, for a remote manager."""
    return os.environ.get(ENV_TOKEN, "").strip() or None


def take_up(environment: Mapping[str, str], token: str | None) -> None:
    """Replace our variables by those of a person's command, whose work this process continues.

    `environment` is the one of its agent, and `token` the token that the person has set.
    """
    ours = {ENV_STATE_DIR: str(state_dir()), **({ENV_TOKEN: token} if token else {})}
    os.environ.clear()
    os.environ.update({**environment, **ours})


def run_variables(token: str | None, url: str) -> dict[str, str]:
    """Return the variables with an agent's token and the manager that the token is for."""
    return {} if token is None else {ENV_RUN_TOKEN: token, ENV_RUN_MANAGER_URL: url}


def variables_past_proxies(environment: Mapping[str, str], url: str) -> dict[str, str]:
    """Return the variables that keep a proxy out of requests to a manager on this machine.

    A proxy cannot reach the manager, and would receive the token of the agent.
    """
    host = urlsplit(url).hostname
    if host not in _OUR_LOOPBACK or not any(environment.get(name) for name in _PROXIES):
        return {}
    given = {name: environment.get(name, "") for name in _NO_PROXY}
    either = next(filter(None, given.values()), "")
    hosts = {
        name: [each for each in (value or either).split(",") if each]
        for name, value in given.items()
    }
    return {name: ",".join(dict.fromkeys([*each, host])) for name, each in hosts.items()}


def run_token_for(url: str) -> str | None:
    """Return our run token, if we are inside a run of this manager."""
    token = os.environ.get(ENV_RUN_TOKEN)
    given = os.environ.get(ENV_RUN_MANAGER_URL, "")
    try:
        return token if token and _address(given) == _address(url) else None
    except ValueError:  # the variable is not a valid URL
        return None


def _address(url: str) -> tuple[object, ...]:
    """Return the address in a URL, with one name for all loopback names."""
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname in _OUR_LOOPBACK else parts.hostname
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, host, port, parts.path.rstrip("/")


def manager_environment() -> dict[str, str]:
    """Return the environment for a manager in the background: its settings, without secrets.

    Paths become absolute, because the manager has another working directory.
    """
    # Imported late: most commands find a running manager.
    from ..shared.agent_places import AGENT_PLACES
    from ..shared.desktop import DESKTOP_VARIABLES
    from ..shared.manager_settings import SETTINGS, Kind

    settings = [setting for setting in SETTINGS if not setting.is_secret]
    own = (*_PASSED_TO_THE_MANAGER, *DESKTOP_VARIABLES, *AGENT_PLACES)
    names = (*own, *(setting.variable for setting in settings))
    passed = {name: os.environ[name] for name in names if name in os.environ}
    files = {
        setting.variable: str(Path(passed[setting.variable]).expanduser().absolute())
        for setting in settings
        if setting.kind is Kind.FILE and passed.get(setting.variable)
    }
    if passed.get(ENV_DATABASE_URL):
        passed[ENV_DATABASE_URL] = manager_database()
    return {**passed, **files, ENV_STATE_DIR: str(state_dir())}


def manager_port() -> int:
    """Return the port of this machine's own manager; the manager itself reports a bad value."""
    given = os.environ.get(ENV_PORT, "")
    is_port = given.isascii() and given.isdecimal() and int(given) <= 65535
    return int(given) if is_port else DEFAULT_PORT


def manager_database() -> str:
    """Return the database URL of this machine's own manager."""
    given = os.environ.get(ENV_DATABASE_URL) or sqlite_url(state_dir() / "sessions.db")
    path = path_in(given)
    return given if path is None else sqlite_url(path.absolute())


def given_project_dir() -> str | None:
    return os.environ.get(ENV_PROJECT_DIR) or None


def given_ask() -> str | None:
    """Return the policy for agents' questions that the person has set."""
    return os.environ.get(ENV_ASK, "").strip() or None


def named_working_directory() -> Path:
    """Return the working directory, even if it was removed or is not accessible."""
    try:
        return Path.cwd()
    except OSError:
        named = os.environ.get("PWD", "")
        return Path(named if named.startswith("/") else "/")


def sudo_user_id() -> int | None:
    """Return the id of the user who called sudo, if sudo started us."""
    caller = os.environ.get("SUDO_UID", "")
    return int(caller) if caller.isascii() and caller.isdigit() else None


def is_manager_given() -> bool:
    return bool(os.environ.get(ENV_SESSION_MANAGER_URL))


class VariableError(ValueError):
    """An error: an environment variable is missing or not valid; the text says what to set."""


def home() -> Path:
    """Return the person's home directory.

    Raises:
        VariableError: `HOME` is not an absolute path, or neither it nor the user database has one.
    """
    with suppress(RuntimeError):
        if (found := Path.home()).is_absolute():
            return found
    given = os.environ.get("HOME")
    told = "HOME is not set" if given is None else f"HOME is {given!r}, not an absolute path"
    raise VariableError(f"{told}; set it to the absolute path of your home directory")


def has_api_key() -> bool:
    return bool(os.environ.get("ANTHROPIC_API_KEY"))


def claude_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of Claude Code's own files, transcripts included."""
    given = environment.get("CLAUDE_CONFIG_DIR")
    return Path(given) if given else Path(environment.get("HOME") or home()) / ".claude"


def search_path() -> str | None:
    return os.environ.get("PATH")


def state_dir() -> Path:
    """Return the directory of this person's state on this machine.

    Raises:
        VariableError: the directory is not known.
    """
    given = os.environ.get(ENV_STATE_DIR)
    if given:
        try:
            return Path(given).expanduser().absolute()
        except (OSError, RuntimeError):  # `~name` of an unknown user, or no working directory
            raise VariableError(
                f"{ENV_STATE_DIR} is {given!r}, not a valid path; set it to an absolute path"
            ) from None
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else home() / ".local" / "state"
    return root / "agent-orchestrator"


def config_dir() -> Path:
    """Return the directory of the files that the person writes to configure the commands."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else home() / ".config") / "agent-orchestrator"


def outbox_dir(state: Path) -> Path:
    """Return the directory of the outboxes; here, so that commands need not import the outbox."""
    return state / "outbox"


def parent_session_id() -> str | None:
    """Return the session whose agent started this command, or None."""
    return os.environ.get(ENV_SESSION_ID) or None


def host() -> str:
    return socket.gethostname() or "unknown"


def is_terminal_dumb() -> bool:
    """Return whether the terminal, or its screen reader, can only print lines."""
    return os.environ.get("TERM", "dumb") in ("", "dumb")


def wants_colours() -> bool:
    """Return whether the person accepts colours: see https://no-color.org."""
    return not os.environ.get("NO_COLOR")


def pager() -> str:
    """Return the person's pager, as a command line. `cat` and nothing mean no pager."""
    return os.environ.get("PAGER", "less").strip()


def pager_environment() -> dict[str, str]:
    """Return the environment for a pager; as git does, with options for less unless it has any."""
    return {"LESS": "FRX", "LV": "-c", **os.environ}

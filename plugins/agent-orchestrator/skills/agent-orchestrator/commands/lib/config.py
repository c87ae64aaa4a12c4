"""
Configuration

The directories and the manager of a command. Precedence: flag, environment, default.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional
from urllib.parse import urlsplit

ENV_PROJECT_DIR = "AGENT_ORCHESTRATOR_PROJECT_DIR"
ENV_SESSIONS_DIR = "AGENT_ORCHESTRATOR_SESSIONS_DIR"
ENV_AGENTS_DIR = "AGENT_ORCHESTRATOR_AGENTS_DIR"
ENV_ENABLE_LOGGING = "AGENT_ORCHESTRATOR_ENABLE_LOGGING"
ENV_SESSION_MANAGER_URL = "AGENT_ORCHESTRATOR_SESSION_MANAGER_URL"
DEFAULT_SESSION_MANAGER_URL = "http://127.0.0.1:8765"

_NO_PATH = (OSError, RuntimeError)
"""Errors of a path that is too long, has a loop of links, or names an unknown home directory."""

_SWITCHES = {"1": True, "true": True, "yes": True, "on": True}
_SWITCHES |= {"": False, "0": False, "false": False, "no": False, "off": False}


@dataclass
class Config:
    """Configuration of a command. The directories are absolute and need not exist."""

    project_dir: Path
    sessions_dir: Path
    agents_dir: Path
    enable_logging: bool
    session_manager_url: str


def load_config(
    cli_project_dir: Optional[str] = None,
    cli_sessions_dir: Optional[str] = None,
    cli_agents_dir: Optional[str] = None,
) -> Config:
    """Load the configuration. Creates nothing and does not check default paths.

    Raises:
        ValueError: the project directory does not exist, a given path cannot be created, or a value
            is invalid. The message names the variable and the value.
    """
    project_dir = _project_dir(cli_project_dir)
    own = project_dir / ".agent-orchestrator"
    return Config(
        project_dir=project_dir,
        sessions_dir=_directory(ENV_SESSIONS_DIR, cli_sessions_dir) or own / "agent-sessions",
        agents_dir=_directory(ENV_AGENTS_DIR, cli_agents_dir) or own / "agents",
        enable_logging=_switch(ENV_ENABLE_LOGGING),
        session_manager_url=_url(ENV_SESSION_MANAGER_URL, DEFAULT_SESSION_MANAGER_URL),
    )


def _project_dir(flag: Optional[str]) -> Path:
    given = flag or os.environ.get(ENV_PROJECT_DIR)
    with suppress(*_NO_PATH):
        path = Path(given).expanduser().resolve() if given else Path.cwd()
        if path.is_dir():
            return path
    raise ValueError(f"{ENV_PROJECT_DIR} (--project-dir): no directory {given!r}")


def _directory(variable: str, flag: Optional[str]) -> Optional[Path]:
    given = flag or os.environ.get(variable)
    if not given:
        return None
    with suppress(*_NO_PATH):
        path = Path(given).expanduser().resolve()
        existing = next(p for p in (path, *path.parents) if p.exists())
        if existing.is_dir() and (existing == path or os.access(existing, os.W_OK)):
            return path
    option = variable.removeprefix("AGENT_ORCHESTRATOR_").lower().replace("_", "-")
    raise ValueError(f"{variable} (--{option}): the directory {given!r} cannot be created")


def _switch(variable: str) -> bool:
    given = os.environ.get(variable, "")
    if given.strip().lower() not in _SWITCHES:
        raise ValueError(f"{variable} is {given!r}, neither true nor false")
    return _SWITCHES[given.strip().lower()]


def _url(variable: str, default: str) -> str:
    given = os.environ.get(variable) or default
    fault = _fault_of(given)
    if fault is not None:
        raise ValueError(f"{variable} is {_without_secrets(given)!r}{fault}")
    return given


def _fault_of(url: str) -> Optional[str]:
    """Return the fault of a manager's URL, as the end of a sentence; None for a good one."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        if parts.scheme not in ("http", "https") or not host:
            return ", not an http:// or https:// URL"
    except ValueError:  # an incomplete IPv6 address
        return ", not an http:// or https:// URL"
    if "@" in parts.netloc:
        return ": leave out the user and the password; a token goes into AGENT_ORCHESTRATOR_TOKEN"
    if "?" in url or "#" in url:
        return ": leave out what follows the path, from ? or # on"
    if url.split() != [url] or not url.isprintable():
        return ": it contains a blank or a control character"
    try:
        is_port = parts.port != 0
    except ValueError:
        is_port = False
    if not is_port:
        return ": its port is not a number from 1 to 65535"
    if not (parts.netloc.startswith("[") or _is_host(host)):
        return ": its host is not a name or an address"
    return None


def _is_host(host: str) -> bool:
    if not all(c.isalnum() or c in "-._~" for c in host if c.isascii()):
        return False
    try:
        # The codec is slow to import. Other names are converted before they are looked up.
        labels = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return False
    return all(0 < len(label) < 64 for label in labels.removesuffix(".").split("."))


def _without_secrets(url: str) -> str:
    """Return a URL, also an invalid one, without user, password, query and fragment."""
    shown = re.sub(r"(?s)^(\w+:/+)?.*@", r"\1…@", url)
    return re.sub("(?s)[?#].*", "…", shown)

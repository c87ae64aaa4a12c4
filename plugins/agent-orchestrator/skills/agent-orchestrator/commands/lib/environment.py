"""The process's environment: the one place where commands read it, contract files aside."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from .config import ENV_PROJECT_DIR, ENV_SESSION_MANAGER_URL

ENV_STATE_DIR = "AGENT_ORCHESTRATOR_STATE_DIR"
ENV_TOKEN = "AGENT_ORCHESTRATOR_TOKEN"

_PASSED_TO_THE_MANAGER = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "USER", "LOGNAME")


def agent_environment() -> dict[str, str]:
    """The environment for an agent: the person's own, without the token that controls all."""
    return {name: value for name, value in os.environ.items() if name != ENV_TOKEN}


def manager_environment() -> dict[str, str]:
    """The environment for a manager in the background: where its state is, and nothing private.

    The state directory may be given relative to ours, which is not the manager's.
    """
    passed = {name: os.environ[name] for name in _PASSED_TO_THE_MANAGER if name in os.environ}
    return {**passed, ENV_STATE_DIR: str(state_dir())}


def is_project_given() -> bool:
    return bool(os.environ.get(ENV_PROJECT_DIR))


def is_manager_given() -> bool:
    return bool(os.environ.get(ENV_SESSION_MANAGER_URL))


def home() -> Path:
    return Path.home()


def claude_dir() -> Path:
    """Where Claude Code keeps what is its own, transcripts among it."""
    return Path(os.environ.get("CLAUDE_CONFIG_DIR") or home() / ".claude")


def search_path() -> str | None:
    return os.environ.get("PATH")


def state_dir() -> Path:
    """Where what belongs to this person on this machine is kept."""
    given = os.environ.get(ENV_STATE_DIR)
    if given:
        return Path(given).expanduser().absolute()
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else home() / ".local" / "state"
    return root / "agent-orchestrator"


def host() -> str:
    return socket.gethostname() or "unknown"

"""The process's environment: the one place where commands read it, contract files aside."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from .config import ENV_PROJECT_DIR, ENV_SESSION_MANAGER_URL

ENV_STATE_DIR = "AGENT_ORCHESTRATOR_STATE_DIR"
ENV_TOKEN = "AGENT_ORCHESTRATOR_TOKEN"
ENV_SESSION_ID = "AGENT_ORCHESTRATOR_SESSION_ID"
"""The session that an agent runs in: what it starts is a child of that. Set for agents."""
RUN_MARKER = "AGENT_ORCHESTRATOR_RUN"
"""Says to which run a process belongs; unique per run. Set for agents, never by a person."""

_PASSED_TO_THE_MANAGER = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "USER", "LOGNAME")

_SETTINGS_OF_THE_MANAGER = (
    "AGENT_ORCHESTRATOR_ALLOW_HOSTS",
    "AGENT_ORCHESTRATOR_DATABASE_URL",
    "AGENT_ORCHESTRATOR_LEASE_SECONDS",
    "AGENT_ORCHESTRATOR_TRANSCRIPTS",
)


def agent_environment() -> dict[str, str]:
    """The environment for an agent: the person's own, without the token that controls all."""
    return {name: value for name, value in os.environ.items() if name != ENV_TOKEN}


def manager_environment() -> dict[str, str]:
    """The environment for a manager in the background: where its state is, and nothing private.

    The state directory may be given relative to ours, which is not the manager's.
    """
    names = (*_PASSED_TO_THE_MANAGER, *_SETTINGS_OF_THE_MANAGER)
    passed = {name: os.environ[name] for name in names if name in os.environ}
    return {**passed, ENV_STATE_DIR: str(state_dir())}


def is_project_given() -> bool:
    return bool(os.environ.get(ENV_PROJECT_DIR))


def is_manager_given() -> bool:
    return bool(os.environ.get(ENV_SESSION_MANAGER_URL))


def home() -> Path:
    return Path.home()


def has_api_key() -> bool:
    return bool(os.environ.get("ANTHROPIC_API_KEY"))


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


def outbox_dir(state: Path) -> Path:
    """Where events wait until the manager has them: here, so that looking costs nothing."""
    return state / "outbox"


def parent_session_id() -> str | None:
    """The session that this command was started from, if an agent started it."""
    return os.environ.get(ENV_SESSION_ID) or None


def host() -> str:
    return socket.gethostname() or "unknown"


def supervisor_environment() -> dict[str, str]:
    """The environment for a supervisor: the person's own, and no mark of a run around us.

    A supervisor that is started from inside a run is not part of that run.
    """
    return {name: value for name, value in os.environ.items() if name != RUN_MARKER}

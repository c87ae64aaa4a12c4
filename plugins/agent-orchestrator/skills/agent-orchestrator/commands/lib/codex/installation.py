"""The installed Codex: its program, its own directory, and whether it has a login."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from ..executors.base import ExecutorError

HOW_TO_INSTALL = "run `npm install -g @openai/codex`, or `pip install 'agent-orchestrator[codex]'`"
VERSION_SECONDS = 30.0
"""Time for a program to tell its version."""
HOW_TO_LOG_IN = "run `codex login`, or `codex login --with-api-key` with a key on its stdin"


def find_codex(environment: Mapping[str, str]) -> str:
    """Return the program on the PATH of this environment, or that of the installed wheel.

    Raises:
        ExecutorError: Codex is not installed.
    """
    on_path = shutil.which("codex", path=environment.get("PATH", ""))
    if on_path is not None:
        return on_path
    package = find_spec("codex_cli_bin")
    for directory in (package and package.submodule_search_locations) or ():
        if found := shutil.which("codex", path=str(Path(directory) / "bin")):
            return found
    raise ExecutorError(f"Codex is not installed: {HOW_TO_INSTALL}")


def codex_dir(environment: Mapping[str, str]) -> Path:
    """Return the directory of Codex's own files, rollouts included."""
    given = environment.get("CODEX_HOME")
    return Path(given) if given else Path(environment.get("HOME") or Path.home()) / ".codex"


def has_thread(thread_id: str, environment: Mapping[str, str]) -> bool:
    """Return whether a thread of this id has a rollout on this machine."""
    places = (codex_dir(environment) / name for name in ("sessions", "archived_sessions"))
    return any(
        next(place.rglob(f"rollout-*-{thread_id}.jsonl*"), None) is not None for place in places
    )


def look(environment: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the version of Codex and its login, and how to get the missing part.

    A provider other than OpenAI needs no login, and has its key in a variable of its own.
    """
    try:
        program = find_codex(environment)
    except ExecutorError:
        return "Codex is not installed", HOW_TO_INSTALL
    text = f"{_version(program)}, {program}"
    if (codex_dir(environment) / "auth.json").is_file():
        return f"{text}, with a login", None
    return f"{text}, without a login", HOW_TO_LOG_IN


def _version(program: str) -> str:
    """Return the name and the version of a program as it tells them."""
    try:
        asked = subprocess.run(
            [program, "--version"],
            capture_output=True,
            timeout=VERSION_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        return f"a Codex that does not tell its version ({exc})"
    return asked.stdout.decode(errors="replace").strip()

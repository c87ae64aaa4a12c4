"""The installed Codex: its program, its own directory, and whether it has a login."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from ..executors.base import ExecutorError
from ..executors.program.installed import version_of
from ..shared.install_advice import install_command

DELETE_SECONDS = 60.0
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
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
    raise ExecutorError(f"Codex is not installed: {_how_to_install()}")


def _how_to_install() -> str:
    beside = install_command("openai-codex-cli-bin")
    return f"run `npm install -g @openai/codex`, or `{beside}`"


def codex_dir(environment: Mapping[str, str]) -> Path:
    """Return the directory of Codex's own files, rollouts included."""
    given = environment.get("CODEX_HOME")
    return Path(given) if given else Path(environment.get("HOME") or Path.home()) / ".codex"


def has_thread(thread_id: str, environment: Mapping[str, str]) -> bool:
    """Return whether a thread of this id has a rollout on this machine."""
    return next(_rollouts(thread_id, environment), None) is not None


def delete_thread(thread_id: str, environment: Mapping[str, str]) -> list[Path]:
    """Delete a thread with Codex itself, which also has it in databases; return its rollouts.

    Raises:
        ExecutorError: Codex is not installed, or did not delete it.
    """
    found = list(_rollouts(thread_id, environment))
    if not found or not _UUID.fullmatch(thread_id):  # Codex takes any other text as a name
        return []
    command = [find_codex(environment), "delete", "--force", thread_id]
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            env=dict(environment),
            timeout=DELETE_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise ExecutorError(f"{exc}; do it later: {shlex.join(command)}") from exc
    if left := [path for path in found if path.exists()]:
        lines = ended.stderr.decode(errors="replace").split("\n")
        why = next((line for line in lines if line.startswith("Error:")), "Codex did not say why")
        raise ExecutorError(f"{why}; {left[0]} is left; do it later: {shlex.join(command)}")
    return found


def _rollouts(thread_id: str, environment: Mapping[str, str]) -> Iterator[Path]:
    for name in ("sessions", "archived_sessions"):
        yield from (codex_dir(environment) / name).rglob(f"rollout-*-{thread_id}.jsonl*")


def look(environment: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the version of Codex and its login, and how to get the missing part.

    A provider other than OpenAI needs no login, and has its key in a variable of its own.
    """
    try:
        program = find_codex(environment)
    except ExecutorError:
        return "Codex is not installed", _how_to_install()
    text = f"{version_of(program)}, {program}"
    if (codex_dir(environment) / "auth.json").is_file():
        return f"{text}, with a login", None
    return f"{text}, without a login", HOW_TO_LOG_IN

"""Installs agents of npm and PyPI into `.agents/`, at the locked versions.

`python -m tests.agents.install` prints why an agent cannot be installed, and continues.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from claude_agent_sdk import __file__ as sdk_file

from agent_orchestrator.codex.installation import find_codex
from tests.agents.agents import RealAgent
from tests.support.environment import BIN

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".agents"
SECONDS = 1800.0
VERSION_SECONDS = 120.0
REASON_LINES = 6


def directories() -> list[Path]:
    """Return the directories of the installed programs; Node.js is in the first one."""
    return [CACHE / "node_modules" / ".bin", CACHE / "vibe" / "bin"]


def version_of(agent: RealAgent, environment: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the version of an agent, and why it cannot be played; None if it can."""
    program = _program(agent, environment)
    if program is None:
        return "", f"`{agent.program}` is not installed; `make agents` prints why"
    try:
        told = subprocess.run(
            [program, "--version"],
            capture_output=True,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=VERSION_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        return "", f"`{agent.program} --version` failed: {exc}"
    words = told.stdout.split()
    return next((word.strip("v,.") for word in words if word.strip("v")[:1].isdigit()), "?"), None


def _program(agent: RealAgent, environment: Mapping[str, str]) -> str | None:
    if agent.name == "claude":
        return str(Path(sdk_file).parent / "_bundled" / "claude")
    if agent.name == "codex":
        return find_codex(environment)
    return shutil.which(agent.program, path=environment["PATH"])


def main() -> None:
    """Install what can be installed."""
    CACHE.mkdir(exist_ok=True)
    for file in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(HERE / file, CACHE / file)
    # Not `npm ci`: a registry need not have the programs for other systems, so the lock need not.
    command = ["npm", "install", "--no-save", "--ignore-scripts", "--loglevel=error"]
    _install("agents of npm", command)
    # Its program is put in its place by its own script. It is the only one that is run.
    _install("OpenCode", ["npm", "rebuild", "opencode-ai", "--loglevel=error"])
    python, uv = CACHE / "vibe" / "bin" / "python", str(BIN / "uv")
    _install("Python 3.12", [uv, "venv", "--quiet", "--clear", "--python", "3.12", "vibe"])
    locked = ["--require-hashes", "-r", str(HERE / "requirements.lock")]
    _install("Mistral Vibe", [uv, "pip", "install", "--quiet", "--python", str(python), *locked])


def _install(what: str, command: Sequence[str]) -> None:
    mark = CACHE / f".{what.replace(' ', '-')}"
    wanted = "".join(
        (HERE / name).read_text() for name in ("package-lock.json", "requirements.lock")
    )
    if mark.exists() and mark.read_text() == wanted:
        return
    path = os.pathsep.join([str(directories()[0]), os.environ.get("PATH", os.defpath)])
    try:
        ended = subprocess.run(
            command,
            cwd=CACHE,
            env={**os.environ, "PATH": path, "npm_config_cache": str(CACHE / "npm-cache")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        why = None if ended.returncode == 0 else (ended.stderr or ended.stdout).strip()
    except (OSError, subprocess.TimeoutExpired) as exc:
        why = str(exc)
    if why is None:
        mark.write_text(wanted)
    else:
        reason = "\n  ".join(why.splitlines()[:REASON_LINES])
        print(f"{what}: not installed: {reason}", file=sys.stderr)


if __name__ == "__main__":
    main()

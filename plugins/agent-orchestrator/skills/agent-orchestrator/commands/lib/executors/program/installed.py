"""The installed program of an agent: its version, and traces of a login."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

VERSION_SECONDS = 60.0
"""Time for a program to tell its version."""


def version_of(program: str, environment: Mapping[str, str] | None = None) -> str:
    """Return the version of a program: that of its npm package, or else as the program tells it."""
    if packed := _npm_version(Path(program)):
        return packed
    try:
        asked = subprocess.run(
            [program, "--version"],
            capture_output=True,
            env=environment and dict(environment),
            timeout=VERSION_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        return f"of an unknown version ({exc})"
    lines = asked.stdout.decode(errors="replace").split("\n")
    return next((line.strip() for line in lines if line.strip()), "of an unknown version")


def _npm_version(program: Path) -> str | None:
    """Return the version of the npm package of a program; starting Node.js takes a while."""
    for directory in program.resolve().parents:
        if directory.name == "node_modules":
            return None
        with suppress(OSError, ValueError):
            found = json.loads((directory / "package.json").read_bytes())
            if isinstance(found, dict) and isinstance(found.get("version"), str):
                return str(found["version"])
    return None


def has_login(places: Iterable[str], environment: Mapping[str, str]) -> bool:
    """Return whether one of these exists: a variable, or a file if the name begins with `~/`.

    The content is not read.
    """
    home = Path(environment.get("HOME") or Path.home())
    return any(
        (home / place[2:]).is_file() if place.startswith("~/") else bool(environment.get(place))
        for place in places
    )

"""Commands that install another package beside this program."""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path


def install_command(requirement: str) -> str:
    """Return the shell command that installs a package into the environment of this process.

    A tool that pipx installed is changed by pipx, which then also knows the package at its next
    upgrade. An environment without pip, as uv makes it, is changed by uv.
    """
    if (Path(sys.prefix) / "pipx_metadata.json").is_file():
        words = ["pipx", "inject", Path(sys.prefix).name]
    elif find_spec("pip") is not None:
        words = [sys.executable, "-m", "pip", "install"]
    else:
        words = ["uv", "pip", "install", "--python", sys.executable]
    return shlex.join([*words, requirement])

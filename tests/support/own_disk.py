"""Commands with a separate file system: a tiny one, or a read-only one.

As a program (`python own_disk.py DIRECTORY OPTIONS COMMAND…`, under `unshare`): mount a tmpfs at
DIRECTORY, and become the command. The mount disappears when the command ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def on_own_disk(directory: Path, options: str, command: Sequence[str]) -> list[str] | None:
    """Return a command that runs `command` with a tmpfs at `directory`, mounted with these options.

    None if this machine does not permit it.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    prefix = [unshare, "--map-root-user", "--mount", sys.executable, __file__]
    prefix += [str(directory), options]
    tried = subprocess.run([*prefix, "true"], capture_output=True, timeout=60, check=False)
    return [*prefix, *command] if tried.returncode == 0 else None


def mount(directory: str, options: str) -> None:
    """Mount a tmpfs in the namespace of this process."""
    line = ["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "tmpfs", directory]
    subprocess.run(line, check=True)


if __name__ == "__main__":
    mount(sys.argv[1], sys.argv[2])
    os.execvp(sys.argv[3], sys.argv[3:])

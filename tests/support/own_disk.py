"""Running something with a file system of its own: a tiny one, or one that cannot be written.

As a program (`python own_disk.py DIRECTORY OPTIONS COMMAND…`, under `unshare`): mount it there,
and become the command. It is gone with the command.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def on_own_disk(directory: Path, options: str, command: Sequence[str]) -> list[str] | None:
    """The command that runs `command` with a tmpfs at `directory`, mounted with these options.

    None where this machine does not let us.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    prefix = [unshare, "--map-root-user", "--mount", sys.executable, __file__]
    prefix += [str(directory), options]
    tried = subprocess.run([*prefix, "true"], capture_output=True, timeout=60, check=False)
    return [*prefix, *command] if tried.returncode == 0 else None


if __name__ == "__main__":
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"mode=700,{sys.argv[2]}", "tmpfs", sys.argv[1]], check=True
    )
    os.execvp(sys.argv[3], sys.argv[3:])

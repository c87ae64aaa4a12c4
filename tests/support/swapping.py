"""Somebody who puts a link, a file of theirs, or nothing under a name, over and over.

As a program: `swapping.py PATH VICTIM`; it goes on until it is killed.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def swapped(path: Path, victim: Path) -> Iterator[None]:
    """While the block lasts, `path` is now and then a link to `victim`."""
    command = [sys.executable, __file__, str(path), str(victim)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as attacker:
        assert attacker.stdout is not None  # it is a pipe
        assert attacker.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            attacker.kill()


def swap_for_ever(path: Path, victim: Path) -> None:
    fresh = path.with_name("fresh")
    fresh.unlink(missing_ok=True)  # of one before us that was killed
    while True:
        fresh.symlink_to(victim)
        fresh.replace(path)
        fresh.touch(0o600)
        fresh.replace(path)
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    swap_for_ever(*map(Path, sys.argv[1:]))

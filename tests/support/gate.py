"""A gate at which a program waits until the test opens it."""

from __future__ import annotations

import os
from pathlib import Path


class Gate:
    """A FIFO from which a program reads, and so waits, until the test writes a word to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        # Opened for reading too, so that neither side blocks until the other opens the FIFO.
        self._descriptor = os.open(path, os.O_RDWR)

    def open(self, word: str = "go") -> None:
        """Let one program continue; it reads this word."""
        os.write(self._descriptor, f"{word}\n".encode())

    def close(self) -> None:
        os.close(self._descriptor)


def waiting_program(started: Path, gate: Gate) -> list[str]:
    """Return a program that writes its pid to `started`, waits at the gate, and prints the word."""
    source = 'echo $$ >> "$0"; read word < "$1"; echo "$word"'
    return ["sh", "-c", source, str(started), str(gate.path)]


def pids_in(path: Path, count: int = 1) -> list[int] | None:
    """Return the pids that programs wrote to this file, or None while they are fewer."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [int(line) for line in lines] if len(lines) >= count else None

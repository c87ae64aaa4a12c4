"""Events of an outbox, in this process and from a program that adds them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent_orchestrator.outbox.outbox import Outbox, Run

ROOT = Path(__file__).parents[4]
RUN = Run(session_id="s", run=3, url="http://127.0.0.1:8765")


def path_in(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox" / "s.3.db"


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {"event_type": "x", "event_id": str(number), **fields}


def waiting_ids(outbox: Outbox) -> list[int]:
    """Read the ids of all waiting events in order, batch by batch, and remove these events."""
    found = []
    while batch := outbox.next_batch():
        found += [int(waiting.item["event_id"]) for waiting in batch]
        outbox.remove(batch)
    return found


def command_to_fill(path: Path, *numbers: int) -> list[str]:
    given = [str(number) for number in (*numbers, 0, 0, 0)[:3]]
    return [sys.executable, "-m", "tests.support.filling_outbox", str(path), *given]


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return (line.strip() for line in process.stdout)

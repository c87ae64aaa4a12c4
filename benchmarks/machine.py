"""The machine of a measurement; a rate is meaningless without it."""

from __future__ import annotations

import os
import platform
import sqlite3
import tempfile
import time
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

_FLUSHES = 200
_BLOCK = b"\0" * 4096


@dataclass(frozen=True, kw_only=True)
class Machine:
    cores: int
    python: str
    sqlite: str
    system: str
    directory: str
    fdatasync_median_ms: float
    fdatasync_p95_ms: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.cores} cores, {self.system}, Python {self.python}, SQLite {self.sqlite}; "
            f"fdatasync of 4 KiB in {self.directory}: "
            f"{self.fdatasync_median_ms:.2f} ms, p95 {self.fdatasync_p95_ms:.2f} ms"
        )


def look_at_machine() -> Machine:
    flushes = _flush_milliseconds()
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        system=f"{platform.system()} {platform.machine()}",
        directory=tempfile.gettempdir(),
        fdatasync_median_ms=median(flushes),
        fdatasync_p95_ms=quantiles(flushes, n=20)[-1],
    )


def _cores() -> int:
    return os.cpu_count() or 1


def _flush_milliseconds() -> list[float]:
    """Return the times to flush a small append to the disk of the databases."""
    flush = getattr(os, "fdatasync", os.fsync)
    flushes = []
    with tempfile.TemporaryFile() as file:
        for _ in range(_FLUSHES):
            started = time.perf_counter()
            os.write(file.fileno(), _BLOCK)
            flush(file.fileno())
            flushes.append((time.perf_counter() - started) * 1000)
    return flushes

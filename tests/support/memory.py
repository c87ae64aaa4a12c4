"""Memory use of a process."""

from __future__ import annotations

import psutil


def resident_megabytes(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 2**20

"""Freed large blocks return to the system although small blocks stand between them."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from tests.support.waiting import WATCHDOG_SECONDS

KEPT_MB = """
import sys
import psutil
from agent_session_manager.machine.allocator import return_large_blocks

if sys.argv[1] == "set":
    assert return_large_blocks()
bytes(4 * 1024 * 1024)  # freed at once: glibc raises its threshold unless it is set
before = psutil.Process().memory_info().rss
large, small = [], []
for _ in range(200):
    large.append(b"x" * 200_000)
    small.append(b"y" * 20_000)
del large
print((psutil.Process().memory_info().rss - before) // 2**20)
"""


def kept_megabytes(how: str) -> int:
    command = [sys.executable, "-c", KEPT_MB, how]
    out = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=WATCHDOG_SECONDS
    )
    return int(out.stdout)


def test_freed_large_blocks_return_to_the_system() -> None:
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("this C library has no mallopt")
    assert kept_megabytes("not set") > 20
    assert kept_megabytes("set") < 10

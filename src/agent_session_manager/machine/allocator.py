"""The C library's allocator, as far as a long-running server has to set it."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3
LARGE_BYTES = 64 * 1024
"""Blocks of at least this size, mostly bodies of requests, are mapped apart from small ones."""


def return_large_blocks() -> bool:
    """Let freed large blocks return to the system at once; return whether the library can.

    glibc raises its own threshold, up to 32 MiB, when the first large blocks are freed. After that
    it keeps them in the heap, where small blocks soon stand between them.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES))

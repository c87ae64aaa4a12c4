"""Protection of the memory of our own process."""

from __future__ import annotations

import ctypes
import logging
import os
import sys

logger = logging.getLogger(__name__)

PR_SET_DUMPABLE = 4


def hide_memory() -> None:
    """Keep other processes of this user from reading our memory and environment, on Linux."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            logger.warning(
                "other processes can read our memory: %s", os.strerror(ctypes.get_errno())
            )

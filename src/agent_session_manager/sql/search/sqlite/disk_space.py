"""Disk space that the search index leaves to the record."""

from __future__ import annotations

import os
from pathlib import Path

from agent_session_manager.store.search import IndexPausedError

KEPT_BYTES = 256 * 1024 * 1024
_SHARE = 20
"""The index keeps at most this fraction of the disk free: one twentieth."""
_MEGABYTE = 1024 * 1024


def check_space(directory: Path) -> None:
    """Check that the disk has space for the index besides the space that the record needs.

    Raises:
        IndexPausedError: it is nearly full.
    """
    status = os.statvfs(directory)
    free = status.f_bavail * status.f_frsize
    kept = min(KEPT_BYTES, status.f_blocks * status.f_frsize // _SHARE)
    if free < kept:
        raise IndexPausedError(
            f"the disk of {directory} has {free // _MEGABYTE} MB free, and the last "
            f"{kept // _MEGABYTE} MB are kept for the record; free some space"
        )

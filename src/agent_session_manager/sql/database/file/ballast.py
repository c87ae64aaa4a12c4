"""Ballast: disk space that is reserved for deletions.

A deletion needs disk space too: on a full disk SQLite cannot write its WAL, so nothing could be
deleted. The ballast file is removed in that case, and created again when there is space for it.
"""

from __future__ import annotations

import os
from pathlib import Path

BALLAST_BYTES = 16 * 1024 * 1024
_SHARE = 8
"""The ballast takes at most this fraction of the free space: one eighth."""
_LEAST_BYTES = 64 * 1024


class Ballast:
    """The ballast file in the directory of the database."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def make(self) -> None:
        """Create the file, if it does not exist yet and the disk has enough free space."""
        try:
            if self._path.is_symlink() or (self._path.exists() and self._path.stat().st_size):
                return
            status = os.statvfs(self._path.parent)
            size = min(BALLAST_BYTES, status.f_bavail * status.f_frsize // _SHARE)
            if size >= _LEAST_BYTES:
                self._allocate(size)
        except OSError:
            self.release()

    def release(self) -> bool:
        """Delete the file; return whether that freed space."""
        try:
            had = self._path.stat().st_size > 0
            self._path.unlink()
        except OSError:
            return False
        return had

    def _allocate(self, size: int) -> None:
        """Allocate the blocks: a sparse file would reserve no space."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, size)
            else:
                os.pwrite(descriptor, bytes(size), 0)
        finally:
            os.close(descriptor)


def ballast_path(database: Path) -> Path:
    return database.with_name(database.name + ".ballast")

"""Ballast: room on the disk that is kept for deletions, which need some too.

On a full disk SQLite cannot write the log that says what is to be deleted, so nothing could be
freed. The ballast is given up for that, and made again when there is room for it.
"""

from __future__ import annotations

import os
from pathlib import Path

BALLAST_BYTES = 16 * 1024 * 1024
_SHARE = 8
"""It takes no more than this part of what is free."""
_LEAST_BYTES = 64 * 1024


class Ballast:
    """A file beside the database."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def make(self) -> None:
        """Take the room, where there is enough of it and none is kept yet."""
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
        """Give it up; return whether there was any."""
        try:
            had = self._path.stat().st_size > 0
            self._path.unlink()
        except OSError:
            return False
        return had

    def _allocate(self, size: int) -> None:
        """As zeros that are written: a file with holes takes no room."""
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

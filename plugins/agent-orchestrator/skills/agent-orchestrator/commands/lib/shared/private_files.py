"""Files that are for one person alone: never opened through a link, and made with mode 0600.

They stand in directories in which nobody else can write; such a directory is checked once, when it
is first used. So nobody can put another file under a name between two looks at it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotPrivateError(PermissionError):
    """A file or directory is not one of this person alone; `strerror` says why and what to do."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(errno.EPERM, why, str(path))

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def open_private(path: Path, *, create: bool = True, append: bool = False, links: int = 1) -> int:
    """Open a file for reading and writing, or only for adding to its end.

    With `create` it is made with mode 0600 where there is none. `links` is how many names it may
    have.

    Raises:
        NotPrivateError: what is there is a link, or open to others, or not one's own.
        OSError: it cannot be opened or made.
    """
    flags = _FLAGS | (os.O_WRONLY | os.O_APPEND if append else os.O_RDWR)
    try:
        descriptor = os.open(path, flags | (os.O_CREAT if create else 0), 0o600)
    except OSError:
        with suppress(FileNotFoundError):
            _refuse(path, path.lstat(), links)  # which can say more of a link, or of a pipe
        raise
    try:
        _refuse(path, os.fstat(descriptor), links)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_to_read(path: Path) -> int:
    """Open a file of the state directory for reading, without waiting for whatever else is there.

    Raises:
        NotPrivateError: it is a pipe, a directory or a device.
        OSError: it cannot be opened, as a link cannot.
    """
    descriptor = os.open(path, _FLAGS | os.O_RDONLY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotPrivateError(path, "it is not a file: remove it")
    return descriptor


def create_locked(path: Path, content: bytes = b"") -> int:
    """Put a file in the place of what is there, locked by us before anybody can see it.

    Raises:
        NotPrivateError: what is there is not a private file.
        OSError: it cannot be made.
    """
    check_private(path)
    new = path.with_suffix(f".{os.getpid()}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, _FLAGS | os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.pwrite(descriptor, content, 0)
        new.replace(path)
    except BaseException:
        os.close(descriptor)
        new.unlink(missing_ok=True)
        raise
    return descriptor


def make_private_directory(directory: Path, *, forbidden: int = 0o022) -> Path:
    """Make a directory with mode 0700 where there is none, and refuse one that is not ours alone.

    `forbidden` are the bits of its mode that one of ours cannot have.

    Raises:
        NotPrivateError: others could use it.
        OSError: it cannot be made.
    """
    make_directories(directory)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise NotPrivateError(directory, "it is not a directory of yours")
    if status.st_mode & forbidden:
        raise NotPrivateError(directory, f"it is open to others: chmod 700 {directory}")
    return directory


def make_directories(directory: Path) -> None:
    """Make a directory and those above it that are missing, each for its owner alone.

    `mkdir(parents=True)` would make those above as the umask says, open to everybody if that is 0.
    """
    try:
        directory.mkdir(mode=0o700)
    except FileNotFoundError:
        make_directories(directory.parent)
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
    except FileExistsError:  # whatever it is, it is looked at
        pass


def make_state_directory(state_dir: Path) -> Path:
    """The same for the state directory, in which others may not even look."""
    return make_private_directory(state_dir, forbidden=0o077)


def check_private(path: Path, *, links: int = 1) -> None:
    """Refuse a file that a library is about to open by its name; none there is fine.

    Raises:
        NotPrivateError: it is not a private one.
    """
    with suppress(FileNotFoundError):
        _refuse(path, path.lstat(), links)


def _refuse(path: Path, status: os.stat_result, links: int) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise NotPrivateError(path, "it is a link, and links are not followed: remove it")
    if not stat.S_ISREG(status.st_mode):
        raise NotPrivateError(path, "it is not a file: remove it")
    if status.st_uid != os.geteuid():
        raise NotPrivateError(
            path, f"it belongs to the user with number {status.st_uid}: remove it"
        )
    if status.st_nlink > links:
        raise NotPrivateError(path, "it has another name too: remove it")
    if status.st_mode & 0o077:
        raise NotPrivateError(path, f"it is open to others: chmod 600 {path}")

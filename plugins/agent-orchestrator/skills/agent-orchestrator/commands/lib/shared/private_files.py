"""Private files: never opened through a link, and created with mode 0600.

They are in directories in which no other user can write. A directory is checked once, on its first
use. So no other user can replace a file between a check and its use.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

_OWN_NAME = re.compile(r"runs|outbox|notes|backups|.*\.(?:db\b.*|lock|log(?:\.1)?|json|key|new)")
"""Matches the names that a state directory and its directories have."""
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotPrivateError(PermissionError):
    """A file or directory is not private to this user; `strerror` says why and what to do."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(errno.EPERM, why, str(path))

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def open_private(path: Path, *, create: bool = True, append: bool = False, links: int = 1) -> int:
    """Open a file for reading and writing, or only for appending.

    With `create`, a missing file is created with mode 0600. `links` is the maximum number of its
    names.

    Raises:
        NotPrivateError: the file is a link, is open to others, or belongs to another user.
        OSError: it cannot be opened or created.
    """
    flags = _FLAGS | (os.O_WRONLY | os.O_APPEND if append else os.O_RDWR)
    try:
        descriptor = os.open(path, flags | (os.O_CREAT if create else 0), 0o600)
    except OSError:
        with suppress(FileNotFoundError):
            _refuse(path, path.lstat(), links)  # has a better message for a link or a pipe
        raise
    try:
        _refuse(path, os.fstat(descriptor), links)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_to_read(path: Path) -> int:
    """Open a file of the state directory for reading, without waiting if it is a pipe.

    Raises:
        NotPrivateError: it is a pipe, a directory or a device.
        OSError: it cannot be opened, for example because it is a link.
    """
    descriptor = os.open(path, _FLAGS | os.O_RDONLY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotPrivateError(path, "it is not a file: remove it")
    return descriptor


def create_locked(path: Path, content: bytes = b"") -> int:
    """Create a file, or replace it. The new file is locked by us before it is visible.

    Raises:
        NotPrivateError: the existing file is not private.
        OSError: the file cannot be created.
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
    """Create a directory with mode 0700 if it is missing, and check that it is private.

    `forbidden` are the bits that its mode must not have.

    Raises:
        NotPrivateError: others could use it.
        OSError: it cannot be created.
    """
    make_directories(directory)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise NotPrivateError(directory, "it is not a directory of yours")
    if status.st_mode & forbidden:
        raise NotPrivateError(directory, f"it is open to others: {closing_advice(directory)}")
    return directory


def closing_advice(directory: Path) -> str:
    """Return the advice for a directory that is open to others.

    A command that closes `/tmp` or a home directory would do harm.
    """
    import shlex

    if all(_OWN_NAME.fullmatch(entry.name) for entry in directory.iterdir()):
        return f"chmod 700 {shlex.quote(str(directory))}"
    return "it has other files, so choose a directory that has only this state"


def make_directories(directory: Path) -> None:
    """Create a directory and its missing parents, each for its owner alone.

    `mkdir(parents=True)` would apply the umask to the parents: with 0 they are open to everyone.
    """
    try:
        directory.mkdir(mode=0o700)
    except FileNotFoundError:
        make_directories(directory.parent)
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
    except FileExistsError:  # the caller checks it
        pass


def make_state_directory(state_dir: Path) -> Path:
    """Create the state directory, or check it. Other users may not even list it."""
    return make_private_directory(state_dir, forbidden=0o077)


def check_private(path: Path, *, links: int = 1) -> None:
    """Check a file before a library opens it by its name. It need not exist.

    Raises:
        NotPrivateError: the file is not private.
    """
    with suppress(FileNotFoundError):
        _refuse(path, path.lstat(), links)


def _refuse(path: Path, status: os.stat_result, links: int) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise NotPrivateError(path, "it is a link, and links are not followed: remove it")
    if not stat.S_ISREG(status.st_mode):
        raise NotPrivateError(path, "it is not a file: remove it")
    if status.st_uid != os.geteuid():
        raise NotPrivateError(path, f"it belongs to another user (uid {status.st_uid}): remove it")
    if status.st_nlink > links:
        raise NotPrivateError(path, "it has more than one name (hard link): remove it")
    if status.st_mode & 0o077:
        raise NotPrivateError(path, f"it is open to others: chmod 600 {path}")

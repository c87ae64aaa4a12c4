"""Files that are for one person alone: opened as they are, never through a link.

Who else could put something under a name of ours could make us write elsewhere, or read what they
wrote. So a file is made only where nothing is, one that is there must be a private one, and both
are judged by what was opened and not by what its name leads to by then.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TRIES = 100


class NotPrivateError(PermissionError):
    """A file or directory is not one of this person alone; `strerror` says why and what to do."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(errno.EPERM, why, str(path))


def open_private(
    path: Path, *, create: bool = True, append: bool = False, may_have_names: bool = False
) -> int:
    """Open a file for reading and writing, or only for adding to its end.

    With `create` it is made with mode 0600 where there is none.

    Raises:
        NotPrivateError: what is there is a link, or open to others, or not one's own.
        OSError: it cannot be opened or made.
    """
    flags = _FLAGS | (os.O_WRONLY | os.O_APPEND if append else os.O_RDWR)
    for _ in range(_TRIES):
        try:
            descriptor = os.open(path, flags)
        except FileNotFoundError:
            if not create:
                raise
            try:
                return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue  # somebody made it this moment
        except OSError:
            check_private(path)  # which can say more of a link, or of a pipe
            raise
        try:
            _refuse(path, os.fstat(descriptor), may_have_names=may_have_names)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor
    raise NotPrivateError(path, "it comes and goes: somebody else uses this name")


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


def check_private(path: Path) -> None:
    """Refuse a file that a library is about to open by its name; none there is fine.

    Raises:
        NotPrivateError: it is not a private one.
    """
    try:
        _refuse(path, path.lstat(), may_have_names=False)
    except FileNotFoundError:
        return


def _refuse(path: Path, status: os.stat_result, *, may_have_names: bool) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise NotPrivateError(path, "it is a link, and links are not followed: remove it")
    if not stat.S_ISREG(status.st_mode):
        raise NotPrivateError(path, "it is not a file: remove it")
    if status.st_uid != os.geteuid():
        raise NotPrivateError(
            path, f"it belongs to the user with number {status.st_uid}: remove it"
        )
    if status.st_nlink > 1 and not may_have_names:
        raise NotPrivateError(path, "it has another name too: remove it")
    if status.st_mode & 0o077:
        raise NotPrivateError(path, f"it is open to others: chmod 600 {path}")


def connect_private(path: Path, file: int) -> sqlite3.Connection:
    """Connect to a database by its name, and refuse another file than the one opened as `file`.

    Raises:
        NotPrivateError: something else was put under the name meanwhile.
    """
    import sqlite3  # rarely wanted by the commands, and slow to import

    before = set(_open_files())
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    opened = [status for number, status in _open_files().items() if number not in before]
    # SQLite may use one again that it kept open: then there is none to compare.
    if opened and not any(os.path.samestat(os.fstat(file), status) for status in opened):
        database.close()
        raise NotPrivateError(path, "it was replaced by something else while it was opened")
    return database


def _open_files() -> dict[int, os.stat_result]:
    """The regular files that this process has open, by their descriptors."""
    found = {}
    for name in os.listdir("/dev/fd"):  # noqa: PTH208  # numbers, not paths
        with suppress(OSError):  # the descriptor of this very listing
            status = os.fstat(int(name))
            if stat.S_ISREG(status.st_mode):
                found[int(name)] = status
    return found

"""Files that are for one person alone: opened as they are, never through a link.

Who else could put something under a name of ours could make us write elsewhere, or read what they
wrote. So a file is made only where nothing is, one that is there must be a private one, and both
are judged by what was opened and not by what its name leads to by then.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TRIES = 100


class NotPrivateError(Exception):
    """A file or directory is not one of this person alone; the text says which and what to do."""


def open_private(path: Path, *, links: int = 1) -> int:
    """Open a file for reading and writing, after making it with mode 0600 where there is none.

    `links` is how many names it may have.

    Raises:
        NotPrivateError: what is there is a link, or open to others, or not one's own.
        OSError: it cannot be opened or made.
    """
    for _ in range(_TRIES):
        try:
            descriptor = os.open(path, _FLAGS)
        except FileNotFoundError:
            try:
                return os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue  # somebody made it this moment
        except OSError:
            check_private(path)  # which can say more of a link
            raise
        return _checked(descriptor, path, links)
    raise NotPrivateError(f"{path} comes and goes: somebody else uses this name")


def check_private(path: Path, *, links: int = 1) -> None:
    """Refuse a file that another program is about to open by its name; none there is fine.

    Raises:
        NotPrivateError: it is not a private one.
    """
    try:
        _refuse(path, path.lstat(), links)
    except FileNotFoundError:
        return


def check_directory(directory: Path) -> None:
    """Refuse a directory in which others could put something under a name of ours.

    Raises:
        NotPrivateError: they could.
        OSError: there is none, or it cannot be looked at.
    """
    status = directory.stat()
    if status.st_uid not in (os.geteuid(), 0):
        raise NotPrivateError(
            f"{directory} is not yours: keep the database in a directory of yours"
        )
    if status.st_mode & 0o022:
        raise NotPrivateError(
            f"others can write in {directory}: chmod go-w {directory}, or keep the database in "
            "another directory"
        )


def _checked(descriptor: int, path: Path, links: int) -> int:
    try:
        _refuse(path, os.fstat(descriptor), links)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refuse(path: Path, status: os.stat_result, links: int) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise NotPrivateError(f"{path} is a link, and links are not followed: remove it")
    if not stat.S_ISREG(status.st_mode):
        raise NotPrivateError(f"{path} is not a file: remove it")
    if status.st_uid != os.geteuid():
        raise NotPrivateError(
            f"{path} is not a private file of yours, it belongs to the user with number "
            f"{status.st_uid}: remove it"
        )
    if status.st_nlink > links:
        raise NotPrivateError(
            f"{path} is not a private file of yours, it has another name too: remove it"
        )
    if status.st_mode & 0o077:
        raise NotPrivateError(
            f"{path} is not a private file of yours, it is open to others: chmod 600 {path}"
        )

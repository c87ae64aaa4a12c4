"""A file for its owner alone, which is complete or absent."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_MAX_PREFIX_CHARS = 50


@contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[IO[bytes]]:
    """Yield a file that gets the name `path`, with mode 0600, when the block ends without an error.

    It is written beside `path`. After an error nothing of it is left.

    Raises:
        FileExistsError: the path exists, and `replace` is false.
        OSError: the file cannot be written; it has the path.
    """
    if not replace and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    try:
        descriptor, name = tempfile.mkstemp(
            ".new", f".{path.name[:_MAX_PREFIX_CHARS]}.", path.parent
        )
    except OSError as exc:
        raise _about(path, exc) from exc
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _publish(beside, path, replace=replace)
    except OSError as exc:
        if exc.filename in (None, name):
            raise _about(path, exc) from exc
        raise
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()


def _publish(beside: Path, path: Path, *, replace: bool) -> None:
    if not replace:
        try:
            os.link(beside, path)  # fails if the path exists by now
            return
        except OSError as exc:
            if exc.errno not in _NO_LINKS or os.path.lexists(path):
                raise
    beside.replace(path)


def _about(path: Path, error: OSError) -> OSError:
    """Return the same error with the path that the caller knows."""
    return OSError(error.errno, error.strerror or str(error), str(path))

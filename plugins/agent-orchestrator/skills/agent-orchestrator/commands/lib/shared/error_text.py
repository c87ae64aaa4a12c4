"""Errors as a person reads them."""

from __future__ import annotations

import errno

OF_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of errors that only a write has: there is no space, or a limit is reached."""


def why(error: Exception) -> str:
    """Return what went wrong; an error of the operating system has its file and its reason."""
    if not isinstance(error, OSError):
        return str(error)
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason

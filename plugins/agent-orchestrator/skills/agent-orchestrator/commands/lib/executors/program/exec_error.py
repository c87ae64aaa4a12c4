"""Explains why a program could not be started, and what to do about it.

The system has one error number for several reasons. It reports "no such file" also for a script
whose interpreter is missing.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

_OF_ITS_NUMBER = {
    errno.ENOEXEC: "the system cannot run its format: a script begins with a line like #!/bin/sh",
    errno.E2BIG: "its arguments and environment are too long: give long input with -p",
    errno.ETXTBSY: "another process is writing it: try again when that is done",
}


def explain(
    program: str, error: OSError | ValueError, *, directory: Path, environment: Mapping[str, str]
) -> str:
    """Return one sentence on why `exec` failed for a program in this directory."""
    if isinstance(error, ValueError):
        return f"{program!r} cannot be started: {error}"
    found: str | None = program
    if "/" not in program:
        found = shutil.which(program, path=environment.get("PATH", os.defpath))
    if found is None:
        return f"no program {program!r} in the directories of PATH: install it, or give its path"
    file = directory / found
    where = "" if Path(found).is_absolute() else f" (looked for in {directory})"
    if not os.path.lexists(file) and isinstance(error, FileNotFoundError):
        return f"no program {program!r}{where}: check its path"
    return f"{program!r}{where} {_reason(file, error)}"


def _reason(file: Path, error: OSError) -> str:
    if file.is_dir():
        return "is a directory and not a program"
    if isinstance(error, FileNotFoundError):
        return _missing_part(file)
    if isinstance(error, PermissionError) and not os.access(file, os.X_OK):
        return "cannot be executed: try `chmod +x`"
    if isinstance(error, PermissionError):
        return "cannot be executed: its interpreter or its file system does not allow it"
    reason = _OF_ITS_NUMBER.get(error.errno or 0, error.strerror)
    return f"cannot be started: {reason}"


def _missing_part(file: Path) -> str:
    """Return the missing part of a program whose file is there."""
    if file.is_symlink() and not file.exists():
        return f"is a link to {file.readlink()}, which does not exist"
    try:
        with file.open("rb") as opened:
            first = opened.readline(512)
    except OSError:
        first = b""
    if not first.startswith(b"#!"):
        return "cannot be started: its loader does not exist; it was built for another system"
    if first.endswith(b"\r\n"):
        return (
            "has Windows line endings (CRLF), which become part of its interpreter's name: "
            "convert it, for example with `sed -i 's/\\r$//'`"
        )
    interpreter = os.fsdecode(first[2:].split()[0]) if first[2:].split() else ""
    return f"needs the interpreter {interpreter!r}, which does not exist"

"""Finding the project that a directory belongs to.

A project is marked by `.agent-orchestrator`, or is the work tree of a git repository. An empty
`.git` does not count, as in git. A parent directory that others can change is ignored, because its
files decide which programs run: see `ownership`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from .ownership import find_doubt

OWN_MARKER = ".agent-orchestrator"
GIT_MARKER = ".git"

_MAX_GIT_FILE_BYTES = 1 << 20
_HEAD = re.compile(rb"ref:\s*refs/|[0-9a-f]{40}(?:[0-9a-f]{24})?\s*\Z")


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project's directory, as a canonical path: each project has only one."""

    directory: Path
    passed_over: str | None = None
    """The reason why a marked parent was ignored, as a sentence, or None."""


def find_project(start: Path) -> Project:
    """Return the nearest marked directory, from `start` upwards, or else `start`."""
    start = start.resolve()
    passed_over = None
    device = _device(start)
    for directory in (start, *start.parents):
        if _device(directory) != device:
            device = None  # git ends its search at the border of a file system
        marker = _marker(directory, is_git_looked_for=device is not None)
        if marker is None:
            continue
        doubt = None if directory == start else _doubt(directory, marker)
        if doubt is None:
            return Project(directory=directory, passed_over=passed_over)
        passed_over = passed_over or f"the project {directory} is ignored: {doubt}"
    return Project(directory=start, passed_over=passed_over)


def _marker(directory: Path, *, is_git_looked_for: bool) -> Path | None:
    own = directory / OWN_MARKER
    if os.path.lexists(own):
        return own
    git = directory / GIT_MARKER
    return git if is_git_looked_for and is_repository(git) else None


def _doubt(directory: Path, marker: Path) -> str | None:
    for path in (directory, marker):
        if doubt := find_doubt(path):
            return f"{path} {doubt}"
    return None


def _device(directory: Path) -> int | None:
    try:
        return directory.stat().st_dev
    except OSError:
        return None


def is_repository(git: Path) -> bool:
    """Return whether git accepts a repository, as `is_git_directory` in its `setup.c` does."""
    try:
        if git.is_file():  # a worktree or a submodule
            return _is_git_directory(_target_of(git))
        return _is_git_directory(git)
    except (OSError, ValueError):
        return False


def _target_of(git_file: Path) -> Path:
    with git_file.open("rb") as opened:
        content = opened.read(_MAX_GIT_FILE_BYTES)
    if not content.startswith(b"gitdir: "):
        raise ValueError("not a gitfile")
    return git_file.parent / os.fsdecode(content.removeprefix(b"gitdir: ").rstrip(b"\r\n"))


def _is_git_directory(directory: Path) -> bool:
    return _is_head(directory / "HEAD") and all(
        os.access(_common_directory(directory) / name, os.X_OK) for name in ("objects", "refs")
    )


def _is_head(head: Path) -> bool:
    if head.is_symlink():
        return head.readlink().parts[:1] == ("refs",)
    if not head.is_file():
        return False
    with head.open("rb") as opened:
        return _HEAD.match(opened.read(255)) is not None


def _common_directory(directory: Path) -> Path:
    """Return the directory of the repository's objects, which its worktrees share."""
    try:
        named = (directory / "commondir").read_bytes()
    except OSError:
        return directory
    return directory / os.fsdecode(named.rstrip(b"\r\n"))

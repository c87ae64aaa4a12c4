"""Rules for the files that formats find."""

from __future__ import annotations

from pathlib import Path


def is_inside(path: Path, root: Path) -> bool:
    """Return whether a path is an existing file below a root, after links are followed."""
    try:
        return path.is_file() and path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def is_gone(path: Path) -> bool:
    """Return whether it is sure that a path does not exist: it may not be visible to us."""
    try:
        return not path.exists()
    except OSError:
        return False

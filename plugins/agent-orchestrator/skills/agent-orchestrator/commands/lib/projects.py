"""Which project a directory belongs to."""

from __future__ import annotations

from pathlib import Path

MARKERS = (".agent-orchestrator", ".git")


def find_project(start: Path) -> Path:
    """The nearest directory, from `start` upwards, that is marked as a project; else `start`.

    The path is canonical, so that one project has one name however it was reached.
    """
    start = start.resolve()
    for directory in (start, *start.parents):
        if any((directory / marker).exists() for marker in MARKERS):
            return directory
    return start

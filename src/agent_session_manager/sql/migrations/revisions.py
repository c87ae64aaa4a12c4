"""The revisions of the database schema, from the file names of the migrations."""

from __future__ import annotations

from functools import cache
from pathlib import Path

MIGRATIONS = Path(__file__).parent


@cache
def known_revisions() -> tuple[str, ...]:
    """Return all revisions that this version knows, newest last."""
    files = (MIGRATIONS / "versions").glob("[0-9]*_*.py")
    return tuple(sorted(file.name.partition("_")[0] for file in files))

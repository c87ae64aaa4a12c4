"""The revisions that a database's schema can have, as the files of the migrations name them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

MIGRATIONS = Path(__file__).parent


@cache
def known_revisions() -> tuple[str, ...]:
    """All that this version knows, the newest last."""
    files = (MIGRATIONS / "versions").glob("[0-9]*_*.py")
    return tuple(sorted(file.name.partition("_")[0] for file in files))

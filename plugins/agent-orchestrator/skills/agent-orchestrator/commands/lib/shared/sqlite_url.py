"""URLs of SQLite files: `sqlite:///` and the path, percent-encoded as it may be any bytes."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes


def sqlite_url(path: Path) -> str:
    """Return the URL of a file."""
    return f"sqlite:///{quote_from_bytes(os.fsencode(path))}"


def path_in(url: str) -> Path | None:
    """Return the file that a URL names; None if it names no SQLite file."""
    scheme, _, rest = url.partition(":///")
    path = rest.partition("?")[0]
    if scheme.partition("+")[0] != "sqlite" or path in ("", ":memory:"):
        return None
    return Path(os.fsdecode(unquote_to_bytes(os.fsencode(path))))

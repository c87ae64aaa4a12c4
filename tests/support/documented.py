"""What the documentation says, for tests of what is answered."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

HTTP = Path(__file__).parents[2] / "docs" / "http.md"


def documented_codes() -> frozenset[str]:
    """Every `code` of an error that `docs/http.md` has in its table."""
    return frozenset(code for _, code in documented_errors())


@cache
def documented_errors() -> frozenset[tuple[int, str]]:
    """The same, each with its status."""
    table = HTTP.read_text("utf-8").partition("\n## Errors\n")[2]
    rows = re.findall(r"^\| (\d{3}) \|([^|]+)\|", table, re.MULTILINE)
    return frozenset(
        (int(status), code) for status, row in rows for code in re.findall(r"`([a-z_]+)`", row)
    )

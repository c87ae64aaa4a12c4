"""What the documentation says, for tests of what is answered."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

HTTP = Path(__file__).parents[2] / "docs" / "http.md"


@cache
def documented_codes() -> frozenset[str]:
    """Every `code` of an error that `docs/http.md` has in its table."""
    table = HTTP.read_text("utf-8").partition("\n## Errors\n")[2]
    rows = re.findall(r"^\| \d{3} \|([^|]+)\|", table, re.MULTILINE)
    return frozenset(code for row in rows for code in re.findall(r"`([a-z_]+)`", row))

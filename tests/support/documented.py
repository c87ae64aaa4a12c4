"""Error codes that the documentation lists, for tests of the manager's responses."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ERRORS = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


def documented_codes() -> frozenset[str]:
    """Return every error `code` in the table of `docs/reference/errors.md`."""
    return frozenset(code for _, code in documented_errors())


@cache
def documented_errors() -> frozenset[tuple[int, str]]:
    """Return every error in the table of `docs/reference/errors.md` as status and code."""
    table = ERRORS.read_text("utf-8").partition("\n## Codes\n")[2]
    rows = re.findall(r"^\| (\d{3}) \|([^|]+)\|", table, re.MULTILINE)
    return frozenset(
        (int(status), code) for status, row in rows for code in re.findall(r"`([a-z_]+)`", row)
    )

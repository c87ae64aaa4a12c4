"""A damaged SQLite file of a few pages whose table seems to have millions of rows.

The pages of a table are a tree. Here each page lists the single page of the next level several
times as its child. So each level multiplies the number of rows to read.
"""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from pathlib import Path

_CHILDREN = 3
_LEVELS = 18
_LEAF, _INTERIOR = 13, 5
_PAGES_AT = 28
_ROOT = "SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = ?"


def make_endless(path: Path, table: str) -> None:
    """Make a small table appear to have 3^18 times its rows."""
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute(_ROOT, (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA journal_mode = DELETE").close()
    pages = bytearray(path.read_bytes())
    place = slice((root - 1) * size, root * size)
    assert pages[place][0] == _LEAF, "the table does not fit into one page"
    pages += pages[place]
    for _ in range(_LEVELS - 1):
        pages += _page_above(len(pages) // size, size)
    pages[place] = _page_above(len(pages) // size, size)
    struct.pack_into(">I", pages, _PAGES_AT, len(pages) // size)
    path.write_bytes(pages)


def _page_above(child: int, size: int) -> bytes:
    """Return an interior page whose children are all the same page."""
    page = bytearray(size)
    cells = [struct.pack(">IB", child, key) for key in range(1, _CHILDREN)]
    at = size - sum(map(len, cells))
    struct.pack_into(">BHHHBI", page, 0, _INTERIOR, 0, len(cells), at, 0, child)
    for number, cell in enumerate(cells):
        struct.pack_into(">H", page, 12 + 2 * number, at)
        page[at : at + len(cell)] = cell
        at += len(cell)
    return bytes(page)

"""A SQLite database of another program."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def make_foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE mine (x)")

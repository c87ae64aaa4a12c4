"""Syntax trees of source files."""

from __future__ import annotations

import ast
import gc
from pathlib import Path


def parse(path: Path) -> ast.AST:
    """Return the tree of a file. A search for garbage in it would take three times as long."""
    gc.disable()
    try:
        return ast.parse(path.read_text("utf-8"))
    finally:
        gc.enable()

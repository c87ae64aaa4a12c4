"""The library for Zstandard."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def import_zstandard() -> Any:
    """Return the module for Zstandard: of Python from 3.14 on, else a backport."""
    if sys.version_info >= (3, 14):
        return import_module("compression.zstd")
    return import_module("backports.zstd")

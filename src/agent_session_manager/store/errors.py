"""What ends a store; what refuses a single change is in `domain/errors.py`."""

from __future__ import annotations


class StoreBrokenError(Exception):
    """The disk failed during a commit: only reopening the database tells what it holds."""

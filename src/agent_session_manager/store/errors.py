"""Errors that end a store. Errors of a single change are in `domain/errors.py`."""

from __future__ import annotations


class StoreBrokenError(Exception):
    """The disk failed during a commit: the content is unknown until the database is reopened."""

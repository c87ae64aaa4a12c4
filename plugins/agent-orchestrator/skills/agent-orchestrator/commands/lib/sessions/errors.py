"""Errors of operations on sessions, with texts for people."""

from __future__ import annotations


class SessionError(Exception):
    """A failed operation on a session; the text gives the reason and what to do."""


class SessionUsageError(SessionError):
    """An operation that fails because of a given value: a name, an agent or a program."""

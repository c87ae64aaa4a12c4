"""Attention: what a session expects of a person.

The manager derives it from the record, so pages, commands and scripts agree. A session that another
session started answers to its parent. Of a person it expects only answers, and a look if it is
quiet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

QUIET_AFTER = timedelta(minutes=10)
"""Silence after which a running session is quiet."""
QUIET_IN_CALL_AFTER = timedelta(minutes=30)
"""The same if its newest event begins a tool call, which may take long."""
QUESTION_MARKS = ("?", "？")
DENIAL = "permission_denied"
"""Type of the event of a tool call that was denied without asking a person."""
CALL = "pre_tool"


class AttentionKind(StrEnum):
    """Kinds of attention that a session expects of a person, the most urgent first."""

    ASKS = "asks"
    """Its newest run has an open question."""
    FAILED = "failed"
    """Its newest run failed, was lost or exceeded a limit; not seen yet."""
    DENIED = "denied"
    """Its newest run ended well, but tool calls were denied; not seen yet."""
    QUIET = "quiet"
    """It is running, and has not appended an event for long."""
    QUESTION = "question"
    """Its newest run ended well, its answer with a question mark; not seen yet."""
    DONE = "done"
    """Its newest run ended well; not seen yet."""


@dataclass(frozen=True, kw_only=True)
class Attention:
    """The attention that a session expects of a person, and since when."""

    kind: AttentionKind
    since: datetime
    text: str | None
    """The question, the error, the denied tools, the newest event, or the end of the answer."""
    seq: int | None
    """The event that tells more."""

"""Cursors: how far a reader of a feed has come, in a form that it keeps and gives back.

A number alone would lie after its record was made anew under the same name: the generation beside
it says of which record it is the number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent_session_manager.domain.errors import InvalidRequestError

_CURSOR = re.compile(r"([0-9a-f]{1,64}):([0-9]{1,19})")
_MAX_NUMBER = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """In the feed of a session its last seq; in that of all sessions a position."""

    generation: str
    number: int

    def is_within(self, reached: Cursor) -> bool:
        """Whether a record that has reached this far is the one of this cursor, and has its end."""
        return self.generation == reached.generation and self.number <= reached.number

    def __str__(self) -> str:
        return f"{self.generation}:{self.number}"


def parse_cursor(text: str) -> Cursor:
    """Read what a reader has kept.

    Raises:
        InvalidRequestError: it is no cursor at all.
    """
    found = _CURSOR.fullmatch(text)
    if found is None or int(found[2]) > _MAX_NUMBER:
        raise InvalidRequestError("a cursor is what a feed gave as id: GENERATION:NUMBER")
    return Cursor(generation=found[1], number=int(found[2]))

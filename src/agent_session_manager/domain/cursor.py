"""Cursors: the position of a feed reader, as a text that the reader stores and sends again.

A number alone is ambiguous after a record was deleted and created again under the same name. The
generation tells the two records apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent_session_manager.domain.errors import InvalidRequestError

_CURSOR = re.compile(r"([0-9a-f]{1,64}):([0-9]{1,19})")
_MAX_NUMBER = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A generation with a number: the last seq in a session's feed, or a feed position."""

    generation: str
    number: int

    def is_within(self, reached: Cursor) -> bool:
        """Return whether the record that `reached` describes contains this cursor's position."""
        return self.generation == reached.generation and self.number <= reached.number

    def __str__(self) -> str:
        return f"{self.generation}:{self.number}"


def parse_cursor(text: str) -> Cursor:
    """Parse a cursor that a client sent.

    Raises:
        InvalidRequestError: the text is not a cursor.
    """
    found = _CURSOR.fullmatch(text)
    if found is None or int(found[2]) > _MAX_NUMBER:
        raise InvalidRequestError("not a cursor: send the id of a frame, GENERATION:NUMBER")
    return Cursor(generation=found[1], number=int(found[2]))

"""Modes of the keys: a line of text, a question before an act, and the help."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .acts import Act


@dataclass(frozen=True, kw_only=True)
class Typing:
    """The person types a text into a line."""

    kind: str
    label: str
    submit: Callable[[str], Act | None]
    """Takes the text, and returns the act that it starts."""
    text: str = ""
    """The text at the beginning."""
    session_id: str | None = None

    @property
    def is_filter(self) -> bool:
        return self.session_id is None


@dataclass(frozen=True, kw_only=True)
class Asking:
    """The person has to agree to an act."""

    label: str
    act: Act


@dataclass(frozen=True)
class Help:
    """All keys are shown."""


Mode = Typing | Asking | Help | None

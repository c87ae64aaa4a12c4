"""The outcome of an attempt to deliver an alert."""

from __future__ import annotations

from dataclasses import dataclass

from agent_shared.log import shown
from agent_shared.masking import Masking

MAX_ANSWER_BYTES = 1024
_MAX_SHOWN_CHARS = 200


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The answer of a target. Without an error, the alert was delivered."""

    answer: str
    error: str | None = None
    asked_seconds: float = 0.0
    """Pause before the next attempt that the target asked for."""
    is_gone: bool = False
    """True if the target wants no alerts any longer."""


def failure(text: str, *, asked_seconds: float = 0.0, is_gone: bool = False) -> Outcome:
    """Return the outcome of a failed attempt."""
    return Outcome(answer=text, error=text, asked_seconds=asked_seconds, is_gone=is_gone)


def excerpt(said: str) -> str:
    """Return the beginning of an answer in one line, for a log and for people.

    Credentials are masked.
    """
    line = shown(" ".join(Masking().text(said).split()))
    return line if len(line) <= _MAX_SHOWN_CHARS else line[:_MAX_SHOWN_CHARS] + "…"

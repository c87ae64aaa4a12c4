"""Questions of agents and their decisions, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHORT = 8
"""Characters of an id that are shown."""
DECIDED = {
    "allow": "allowed",
    "deny": "denied",
    "answered": "answered",
    "timed_out": "timed out: no person answered in time",
    "cancelled": "cancelled",
}
"""Decisions in words."""


def title_of(event: Mapping[str, Any]) -> str:
    """Return a line about the question of a `permission_request`."""
    items = event.get("items")
    if isinstance(items, list) and items and isinstance(items[0], dict):
        more = f" (and {len(items) - 1} more)" if len(items) > 1 else ""
        return f"{items[0].get('text')}{more}"
    return str(event.get("title") or event.get("tool_name") or event.get("kind") or "a question")


def decision_words(event: Mapping[str, Any]) -> str:
    """Return the decision of a `permission_decided` in words."""
    decision = event.get("decision")
    words = DECIDED.get(str(decision), str(decision))
    if decision in ("allow", "deny", "answered"):
        words += " by a person" if event.get("by") == "person" else " by a rule of the run"
    answers = event.get("answers")
    if isinstance(answers, dict):
        words += f": {_answer_words(answers)}"
    return words


def payload_words(payload: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """Return an answer in words, with the label of the choice that it takes."""
    answers = payload.get("answers")
    if isinstance(answers, dict):
        return _answer_words(answers)
    taken = payload.get("choice")
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, dict) and choice.get("id") == taken:
            return f"{choice.get('label') or taken}"
    return str(taken)


def _answer_words(answers: Mapping[str, Any]) -> str:
    return "; ".join(
        ", ".join(map(str, words)) if isinstance(words, list) else str(words)
        for words in answers.values()
    )

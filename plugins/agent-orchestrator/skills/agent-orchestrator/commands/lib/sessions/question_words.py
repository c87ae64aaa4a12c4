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


def read_answer(item: Mapping[str, Any], text: str) -> list[str] | None:
    """Return what a typed text answers to an item: numbers of options, or the person's own words.

    Return None if it is neither.
    """
    labels = [str(option["label"]) for option in item.get("options", [])]
    numbers = text.replace(" ", "").split(",")
    if all(number.isdecimal() for number in numbers):
        is_one_or_many = len(numbers) == 1 or item.get("multiple")
        if is_one_or_many and all(0 < int(number) <= len(labels) for number in numbers):
            return [labels[int(number) - 1] for number in dict.fromkeys(numbers)]
        return None
    return [text] if text and item.get("free", True) else None


def ways_to_answer(item: Mapping[str, Any]) -> str:
    """Return what a person can type as the answer to an item, which `read_answer` reads."""
    many = ", or several as 1,2" if item.get("multiple") else ""
    own = "your own words" if item.get("free", True) else ""
    return " or ".join(filter(None, [f"a number{many}" if item.get("options") else "", own]))


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

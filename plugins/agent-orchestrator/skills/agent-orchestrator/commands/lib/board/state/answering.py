"""An answer to an open question that a person gives on the board, key by key."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ...client.manager import Json
from ...sessions.question_words import read_answer
from ...sessions.resolve import Session


@dataclass(frozen=True, kw_only=True)
class Answering:
    """A question of a session, and its items that have an answer so far."""

    session: Session
    question: Json
    answers: dict[str, list[str]] = field(default_factory=dict)

    @property
    def item(self) -> Json | None:
        """The first item without an answer; None for a permission, and once all have one."""
        return next((item for item in self._items if item["id"] not in self.answers), None)

    @property
    def is_choice(self) -> bool:
        """True if one digit answers the question: a permission, or one item with options."""
        items = self._items
        return not items or (
            len(items) == 1 and bool(items[0].get("options")) and not items[0].get("multiple")
        )

    def choice(self, number: int) -> Json | None:
        """Return the choice of a permission with this number, from 1 on."""
        choices: list[Json] = self.question["event"].get("choices") or []
        return choices[number - 1] if 0 < number <= len(choices) else None

    def with_answer(self, text: str) -> Answering | None:
        """Return the answering after the next item has this answer; None if it does not fit."""
        item = self.item
        words = None if item is None else read_answer(item, text)
        if item is None or words is None:
            return None
        return replace(self, answers={**self.answers, item["id"]: words})

    @property
    def _items(self) -> list[dict[str, Any]]:
        items = self.question["event"].get("items")
        return items if isinstance(items, list) else []

"""Measures two things alternately, so that both run under the same conditions.

The ratio is computed for each round. The result is the median of the rounds, shown with its spread,
because a ratio without its spread is meaningless.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

Measure = Callable[[int], float]
"""Function that measures the round of a given number and returns a rate or a duration."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. The goal is a minimum for rates and a maximum for durations."""

    name: str
    what: str
    beside: str
    unit: str
    goal: float
    is_rate: bool = True
    ours: list[float] = field(default_factory=list)
    limit: list[float] = field(default_factory=list)
    missing: str = ""
    """Reason why it was not measured."""

    @property
    def ratios(self) -> list[float]:
        return [ours / limit for ours, limit in zip(self.ours, self.limit, strict=True)]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def is_met(self) -> bool:
        return self.ratio >= self.goal if self.is_rate else self.ratio <= self.goal

    def alternate(self, ours: Measure, limit: Measure, *, rounds: int) -> Row:
        """Measure both, round after round, and return self; the first round warms up."""
        for number in range(rounds + 1):
            measured = ours(number), limit(number)
            if number:
                self.ours.append(measured[0])
                self.limit.append(measured[1])
            print(".", end="", file=sys.stderr, flush=True)
        return self

    def to_json(self) -> dict[str, Any]:
        fixed = {
            "row": self.name,
            "what": self.what,
            "beside": self.beside,
            "unit": self.unit,
            "goal": self.goal,
        }
        if self.missing:
            return fixed | {"not_available": self.missing}
        return fixed | {
            "ours": median(self.ours),
            "limit": median(self.limit),
            "ratio": self.ratio,
            "ratio_min": min(self.ratios),
            "ratio_max": max(self.ratios),
            "goal_met": self.is_met,
            "rounds": {"ours": self.ours, "limit": self.limit},
        }

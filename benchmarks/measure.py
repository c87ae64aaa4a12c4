"""Measuring two things side by side: turn by turn, so that both see the same machine.

The ratio is taken per round, between neighbours in time, and the median of the rounds counts;
its spread is shown, because a ratio without one says nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

Measure = Callable[[int], float]
"""Measures one round, given its number, and returns a rate or a duration."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. Rates have a floor as their goal, durations a ceiling."""

    name: str
    what: str
    beside: str
    unit: str
    goal: float
    is_rate: bool = True
    ours: list[float] = field(default_factory=list)
    limit: list[float] = field(default_factory=list)
    missing: str = ""
    """Why it could not be measured."""

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

"""The result of an import, counted by several threads."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ....events.prepare import storable
from ....session_client import SessionClientError
from ...items import BrokenRecordError

SHOWN = 20
"""Number of problems of one kind that are kept with their place."""


class Problem(NamedTuple):
    """A line, a record or a source that was not imported."""

    path: str
    place: str
    reason: str


def sentence_of(error: Exception) -> str:
    """Return why something could not be imported; of an error that is not expected, also its type.

    Characters that no store accepts are replaced.
    """
    if isinstance(error, OSError) and error.strerror:
        return storable(error.strerror)
    is_expected = isinstance(error, BrokenRecordError | OSError | SessionClientError)
    return storable(str(error) if is_expected else f"{type(error).__name__}: {error}")


@dataclass
class Report:
    """Counts of an import."""

    counts: Counter[str] = field(default_factory=Counter)
    """`sources`, `unchanged`, `bytes`, `sessions` (created), `events`, `copied` (events that a fork
    repeats), `requests`, `shortened` and `broken` (lines), `refused` (events, and lines of
    transcripts), `held`, `deleted`, `failed` and `not_understood` (sources), `gone` (sessions whose
    source no longer exists)."""
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Number of records of each format and kind that the format does not know."""
    problems: list[Problem] = field(default_factory=list)
    _shown: Counter[str] = field(default_factory=Counter)
    _told: tuple[Counter[str], Counter[tuple[str, str]]] = (Counter(), Counter())
    """The counts at the last call of `take_news`."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **counts: int) -> None:
        with self._lock:
            self.counts.update(counts)

    def add_unknown(self, format_name: str, kinds: Counter[str]) -> None:
        with self._lock:
            for kind, count in kinds.items():
                self.unknown[format_name, kind] += count

    def add_problem(self, problem: Problem) -> None:
        """Keep a problem, unless there are many of the same source."""
        with self._lock:
            if self._shown[problem.path] < SHOWN:
                self._shown[problem.path] += 1
                self.problems.append(problem)

    def add_failure(self, problem: Problem) -> None:
        """Count a source, or the search of a format, that has failed."""
        self.add(failed=1)
        self.add_problem(problem)

    def take_news(self) -> Report:
        """Return a report since the last call. The counts stay, the problems are taken."""
        with self._lock:
            counts, unknown = self._told
            news = Report(self.counts - counts, self.unknown - unknown, self.problems)
            self._told = self.counts.copy(), self.unknown.copy()
            self.problems, self._shown = [], Counter()
        return news

    @property
    def has_news(self) -> bool:
        """True if something was imported, or could not be."""
        return any(self.counts[name] for name in COUNTED if name not in _NO_NEWS)

    @property
    def has_failed(self) -> bool:
        return any(self.counts[name] for name in ("failed", "not_understood"))

    def to_json(self) -> dict[str, Any]:
        return {
            **{name: self.counts[name] for name in COUNTED},
            "unknown": [
                {"agent": agent, "kind": kind, "count": count}
                for (agent, kind), count in sorted(self.unknown.items())
            ],
            "problems": [each._asdict() for each in self.problems],
        }


COUNTED = (
    *("sources", "unchanged", "bytes", "sessions", "events", "copied", "requests"),
    *("shortened", "broken", "refused", "held", "deleted", "gone", "failed", "not_understood"),
)
_NO_NEWS = ("sources", "unchanged", "bytes", "held")

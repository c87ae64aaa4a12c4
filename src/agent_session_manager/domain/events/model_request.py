"""Usage of model requests, one by one. An unknown count is missing, and never 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from agent_session_manager.domain.sessions.session import Usage

COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
    "cache_creation_1h_tokens",
    "reasoning_tokens",
    "web_searches",
)
DETAILS = ("provider", "model", "service_tier", "speed", "inference_geo")
"""What determines the price of a request, along with its counts and its time."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """The price of one request, and the date of the table that it is from."""

    nanodollars: int
    as_of: date


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """A request to a model, as one or several records report it."""

    key: str
    """Unique over all sessions: records with the same key report the same request."""
    counts: Mapping[str, int]
    """The known counts, by their names in `COUNTS`."""
    cost_nanodollars: int | None = None
    """The agent's own figure."""
    occurred_at: datetime | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    """The known details, by their names in `DETAILS`."""
    is_inherited: bool = False
    """True if the record was copied from another session, which made the request."""

    def raised_to(self, later: ModelRequest) -> ModelRequest:
        """Return the request after a `later` record of it.

        Each count takes the maximum of both records. A record that is not inherited shows that its
        session made the request.
        """
        names = self.counts.keys() | later.counts.keys()
        costs = [each.cost_nanodollars for each in (self, later)]
        known_costs = [cost for cost in costs if cost is not None]
        return replace(
            self,
            counts={n: max(self.counts.get(n, 0), later.counts.get(n, 0)) for n in names},
            cost_nanodollars=max(known_costs, default=None),
            occurred_at=self.occurred_at or later.occurred_at,
            details={**later.details, **self.details},
            is_inherited=self.is_inherited and later.is_inherited,
        )

    def usage(self, cost_nanodollars: int | None) -> Usage:
        """Return the request's share in sums, at a cost; None: its tokens are unpriced."""
        counted = Usage(**self.counts, cost_nanodollars=cost_nanodollars or 0)
        if cost_nanodollars is not None:
            return counted
        return replace(counted, unpriced_tokens=counted.tokens)


PriceOf = Callable[[ModelRequest], Price | None]
"""Returns the price of a request; None if it is unknown."""

"""A table of prices for tests."""

from __future__ import annotations

from datetime import date

from agent_session_manager.domain.events.model_request import ModelRequest, Price


def doubled(request: ModelRequest) -> Price | None:
    """A table of prices in which only the model `known` has a price: 2 for each token."""
    if request.details.get("model") != "known":
        return None
    return Price(nanodollars=2 * sum(request.counts.values()), as_of=date(2026, 1, 2))

"""An opened run, as the manager returns it."""

from __future__ import annotations

from typing import Any, NamedTuple


class RunTokens(NamedTuple):
    """Tokens of the supervisor of a run and of its agent."""

    run: str | None = None
    agent: str | None = None


class OpenedRun(NamedTuple):
    """A session whose newest run was opened, and the tokens of that run."""

    session: dict[str, Any]
    tokens: RunTokens

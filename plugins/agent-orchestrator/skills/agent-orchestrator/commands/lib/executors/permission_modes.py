"""The permission modes of agents, in the order of what they allow without asking."""

from __future__ import annotations

from ..agents.agent import Agent

DEFAULT_MODE = "acceptEdits"
UNLIMITED = "bypassPermissions"
_RANKS = {"plan": 0, "default": 1, "dontAsk": 1, "acceptEdits": 2, "auto": 3, UNLIMITED: 4}
PERMISSION_MODES = ("default", "acceptEdits", "plan", "dontAsk", "auto", UNLIMITED)
"""As people are offered them."""


def effective_mode(executor: str, mode: str | None, agent: Agent | None) -> str:
    """Return the mode of a run by the mode of its spec and by its agent definition.

    A program has no mode: it can do everything that the person can.
    """
    if executor == "command":
        return UNLIMITED
    return mode or (agent and agent.permission_mode) or DEFAULT_MODE


def is_at_most(mode: str, limit: str) -> bool:
    """Return whether a mode allows no more than another one.

    A mode that is not known counts as unlimited, and as a limit it allows only itself.
    """
    if mode == limit:
        return True
    return _RANKS.get(mode, _RANKS[UNLIMITED]) <= _RANKS.get(limit, -1)

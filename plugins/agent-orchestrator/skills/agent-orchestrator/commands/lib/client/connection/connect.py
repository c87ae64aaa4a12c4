"""Selects the manager and the token that a command or a supervisor uses."""

from __future__ import annotations

import httpx

from ...config import ENV_SESSION_MANAGER_URL
from ...machine.environment import is_manager_given, run_token_for
from ...session_client import InvalidURLError, _find_token
from ..manager import ManagerClient
from ..patient_client import TIMEOUT_SECONDS
from .loopback import LoopbackClient, loopback_url


def client_of(
    url: str, *, run_token: str | None = None, timeout_seconds: float = TIMEOUT_SECONDS
) -> ManagerClient:
    """Return a client of this manager.

    It uses the given run token, or else the token of the run that this process belongs to. Outside
    of all runs it uses the user's own token.
    """
    token = run_token or run_token_for(url)
    kind = ManagerClient if loopback_url(url) is None else LoopbackClient
    try:
        return kind(url, timeout_seconds, run_token=token, is_configured=is_manager_given())
    except InvalidURLError as exc:
        raise InvalidURLError(f"{ENV_SESSION_MANAGER_URL}: {exc}") from None


def own_token(url: str) -> str | None:
    """Return the user's own token for this manager."""
    # A `LoopbackUrl` has the used parts of `httpx.URL`.
    return _find_token(loopback_url(url) or httpx.URL(url))  # type: ignore[arg-type]

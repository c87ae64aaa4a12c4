"""Which manager a command means, and with whose token."""

from __future__ import annotations

from ..machine.environment import is_manager_given, run_token_for
from .manager import ManagerClient


def client_of(url: str, *, run_token: str | None = None) -> ManagerClient:
    """A client of this manager: of the run whose token is given, else of the one that we are in.

    Outside of all runs it is the person's own.
    """
    token = run_token or run_token_for(url)
    return ManagerClient(url, run_token=token, is_configured=is_manager_given())

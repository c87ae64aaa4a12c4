"""Reads for requests that are authenticated with a run token: its run, and the run's family."""

from __future__ import annotations

from typing import Protocol

from agent_session_manager.domain.sessions.run_token import RunCaller


class RunTokenReads(Protocol):
    """Reads of a run's family: its session, and all sessions started from inside it, at any depth.

    A session is below another session only if it was created later. So a new session whose id
    older sessions name as their parent does not get them as children.
    """

    def find_caller(self, digest: str) -> RunCaller | None:
        """Return the run whose token has this digest, or None if no valid token has it."""

    def is_in_family(self, caller: RunCaller, session_id: str) -> bool: ...

    def list_family(self, caller: RunCaller) -> dict[str, str]:
        """Return the session ids of the family, each with its generation."""

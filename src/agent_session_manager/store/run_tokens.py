"""Whose token it is, and what is below its session: the reads of a store for runs that ask."""

from __future__ import annotations

from typing import Protocol

from agent_session_manager.domain.run_token import RunCaller


class RunTokenReads(Protocol):
    """The family of a run is its session and all that was started from inside that, at any depth.

    A session is below another only if it was created after it: whoever takes an id that others
    name as their parent already gets no child by that.
    """

    def find_caller(self, digest: str) -> RunCaller | None:
        """The run whose token has this digest; None where there is none, or no more."""

    def is_in_family(self, caller: RunCaller, session_id: str) -> bool: ...

    def list_family(self, caller: RunCaller) -> dict[str, str]:
        """The family's ids, each with the generation of its session."""

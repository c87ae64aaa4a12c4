"""A run that the manager has opened, with what its supervisor needs."""

from __future__ import annotations

from typing import Any, NamedTuple

from .answers import is_part, is_token


class RunTokens(NamedTuple):
    """Tokens of the supervisor of a run and of its agent."""

    run: str | None = None
    agent: str | None = None


class Notices(NamedTuple):
    """Notices that a run must tell its agent before its prompt."""

    batch_id: str
    text: str


class OpenedRun(NamedTuple):
    """A session whose newest run was opened, with the tokens and the notices of that run."""

    session: dict[str, Any]
    tokens: RunTokens
    notices: Notices | None = None


def to_opened_run(answer: dict[str, Any], session_id: str, *, has_lease: bool) -> OpenedRun | None:
    """Return the run in an answer of the manager; None if the answer is not valid."""
    session, batch = answer.get("session"), answer.get("notices")
    tokens = RunTokens(run=answer.get("run_token"), agent=answer.get("agent_token"))
    if (
        not isinstance(session, dict)
        or not is_part("session", session)
        or session["session_id"] != session_id
        or (has_lease and session["lease"] is None)
        or not all(token is None or is_token(token) for token in tokens)
        or not is_part("batch", batch)
    ):
        return None
    return OpenedRun(session, tokens, batch and Notices(batch["batch_id"], batch["text"]))

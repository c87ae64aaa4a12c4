"""Tokens with which a run authenticates, and the run that a token belongs to.

A run token is for the supervisor of the run. The agent token is derived from the run token and
allows less; the derivation cannot be reversed. The manager stores only a digest of the agent token.
A token has 256 random bits, so the digest does not reveal it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass

RUN_PREFIX = "run-"
AGENT_PREFIX = "agent-"
_TOKEN = re.compile(rf"({RUN_PREFIX}|{AGENT_PREFIX})[A-Za-z0-9_-]{{43}}")


@dataclass(frozen=True, kw_only=True)
class RunCaller:
    """A run that sends a request itself.

    `session_number` identifies the session, because a session id can be used again.
    """

    session_id: str
    session_number: int
    run: int
    is_agent: bool = False
    """True if the agent sends the request, False if the supervisor does."""


def create_run_token() -> str:
    return RUN_PREFIX + secrets.token_urlsafe(32)


def is_token_of_a_run(text: str) -> bool:
    """Return whether `text` has the form of a run token or an agent token."""
    return _TOKEN.fullmatch(text) is not None


def is_agent_token(text: str) -> bool:
    return text.startswith(AGENT_PREFIX)


def agent_token_of(run_token: str) -> str:
    """Return the agent token that belongs to a run token."""
    made = hashlib.sha256(b"the agent of " + run_token.encode()).digest()
    return AGENT_PREFIX + base64.urlsafe_b64encode(made).decode().rstrip("=")


def digest_of(token: str) -> str:
    """Return the stored digest of a run's tokens; it is the same for both tokens."""
    agent_token = token if is_agent_token(token) else agent_token_of(token)
    return hashlib.sha256(agent_token.encode()).hexdigest()

"""What a run proves with that it is the run, and which run that is.

A run token is for the run's supervisor. The agent's token is made from it and opens less; nobody
gets from that one back to the other. Only a digest of the agent's is kept: a token has 256 random
bits, so that nobody gets from the digest to it.
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
    """A run that asks for something itself.

    Its session is told by a number that no other one ever has: an id can be used again.
    """

    session_id: str
    session_number: int
    run: int
    is_agent: bool = False
    """Whether it is the agent that asks, and not the supervisor."""


def create_run_token() -> str:
    return RUN_PREFIX + secrets.token_urlsafe(32)


def is_token_of_a_run(text: str) -> bool:
    """Whether `text` can be a run token or an agent's at all."""
    return _TOKEN.fullmatch(text) is not None


def is_agent_token(text: str) -> bool:
    return text.startswith(AGENT_PREFIX)


def agent_token_of(run_token: str) -> str:
    """The token for the agent of the run that has this token."""
    made = hashlib.sha256(b"the agent of " + run_token.encode()).digest()
    return AGENT_PREFIX + base64.urlsafe_b64encode(made).decode().rstrip("=")


def digest_of(token: str) -> str:
    """What is kept of a run's tokens: of both the same."""
    agent_token = token if is_agent_token(token) else agent_token_of(token)
    return hashlib.sha256(agent_token.encode()).hexdigest()

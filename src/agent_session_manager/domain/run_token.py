"""Run tokens: what a run proves with that it is the run, and which run that is.

Whoever keeps tokens keeps their digests: a token has 256 random bits, so that nobody gets from one
to the other.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

RUN_TOKEN_PREFIX = "run-"
_RUN_TOKEN = re.compile(RUN_TOKEN_PREFIX + r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, kw_only=True)
class RunCaller:
    """A run that asks for something itself.

    Its session is told by a number that no other one ever has: an id can be used again.
    """

    session_id: str
    session_number: int
    run: int


def is_run_token(text: str) -> bool:
    """Whether `text` can be a run token at all."""
    return _RUN_TOKEN.fullmatch(text) is not None


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

"""Codes that a browser is opened with: each is good once, for the token, and not for long.

The token itself would stay in the browser's history and in the arguments of its process.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable

from agent_session_manager.domain.errors import CodeNotValidError, OverloadedError

LIFETIME_SECONDS = 60.0
MAX_CODES = 100


class Codes:
    """The codes that were given and not used yet. They are in memory: a restart ends them."""

    def __init__(self, token: str, *, monotonic: Callable[[], float]) -> None:
        self._token = token
        self._monotonic = monotonic
        self._ends: dict[str, float] = {}

    def create(self) -> str:
        """Give out a code.

        Raises:
            OverloadedError: too many are waiting to be used.
        """
        now = self._monotonic()
        self._ends = {code: end for code, end in self._ends.items() if end > now}
        if len(self._ends) >= MAX_CODES:
            raise OverloadedError
        code = secrets.token_urlsafe(32)
        self._ends[code] = now + LIFETIME_SECONDS
        return code

    def exchange(self, given: str) -> str:
        """The token, for a code.

        Raises:
            CodeNotValidError: it was used already, is too old, or was never given.
        """
        known = [code for code in self._ends if hmac.compare_digest(code.encode(), given.encode())]
        if not known or self._ends.pop(known[0]) <= self._monotonic():
            raise CodeNotValidError
        return self._token

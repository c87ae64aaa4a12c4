"""One-time codes that open the dashboard: a browser exchanges a code for a page token.

A code is valid once and for a short time. A token in the address would stay in the browser's
history.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable

from agent_session_manager.domain.errors import CodeNotValidError, OverloadedError

logger = logging.getLogger(__name__)

LIFETIME_SECONDS = 60.0
MAX_CODES = 100


class Codes:
    """The codes that were created and not used yet. They are in memory: a restart voids them."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._ends: dict[str, float] = {}
        self._used: dict[str, float] = {}
        """Codes that were exchanged, with the time until which they are remembered."""

    def create(self) -> str:
        """Create a code.

        Raises:
            OverloadedError: too many codes wait to be used.
        """
        now = self._monotonic()
        self._ends = {code: end for code, end in self._ends.items() if end > now}
        self._used = {code: end for code, end in self._used.items() if end > now}
        if len(self._ends) >= MAX_CODES:
            raise OverloadedError
        code = secrets.token_urlsafe(32)
        self._ends[code] = now + LIFETIME_SECONDS
        return code

    def use(self, given: str, *, peer: str) -> None:
        """Use a code up, and log `peer`, the address of its user.

        Raises:
            CodeNotValidError: the code was used before, has expired, or was never created.
        """
        code = _find(given, self._ends)
        if code is None:
            if _find(given, self._used) is not None:
                logger.warning(
                    "a dashboard code was used before and %s sent it again: if you did not open "
                    "its address twice, another user may have opened the dashboard; restart the "
                    "manager to revoke all page tokens",
                    peer,
                )
            raise CodeNotValidError
        end = self._ends.pop(code)
        if end <= self._monotonic():
            raise CodeNotValidError
        self._used[code] = end
        logger.info("%s exchanged a dashboard code for a page token", peer)


def _find(given: str, codes: dict[str, float]) -> str | None:
    """Return the code equal to `given`, or None. Compares all codes, so timing reveals nothing."""
    found = [code for code in codes if hmac.compare_digest(code.encode(), given.encode())]
    return found[0] if found else None

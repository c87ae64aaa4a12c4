"""Retries a request while its error is temporary."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from ..client.errors import INTERNAL_ERROR, RECORD_BEHIND, RUN_TOKEN_UNKNOWN, may_pass
from ..machine.clock import SYSTEM, Backoff, Time
from ..session_client import SessionClientError

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_PAUSE_SECONDS = 15.0
PATIENCE_SECONDS = 24 * 3600.0
"""Time that a supervisor waits after its run for an unreachable manager."""
MAX_DEFECTS = 8
"""Number of internal errors of the manager after which a single item counts as refused."""

_OF_THE_SESSION = frozenset({"session_not_found", "not_for_runs"})
"""Codes that refuse all items alike, so no item has to be tried alone."""


class WentBackError(Exception):
    """The manager has lost data that it had confirmed."""


class RefusedError(Exception):
    """The manager refuses this request permanently."""

    def __init__(self, refusal: SessionClientError) -> None:
        super().__init__(str(refusal))
        self.is_of_all = refusal.code in _OF_THE_SESSION


class UndeliveredError(Exception):
    """The manager cannot be reached, or refuses our token; the items stay in the outbox."""


class Attempts:
    """Tries requests again with growing pauses, up to `patience_seconds` for each."""

    def __init__(self, *, patience_seconds: float = PATIENCE_SECONDS, time: Time = SYSTEM) -> None:
        self._patience = patience_seconds
        self._time = time
        self._hurried = threading.Event()

    def hurry(self) -> None:
        """Stop waiting: from now on, give up at the first temporary error."""
        self._hurried.set()

    def until_answered(self, work: Callable[[], T], *, is_alone: bool) -> T:
        """Call `work` until it succeeds or its error is permanent, and return its result.

        A single item may cause an internal error of the manager. So with `is_alone`, `work` is
        tried more often before it counts as refused.

        Raises:
            RefusedError: the manager refuses it permanently.
            UndeliveredError: the time is up, or our token is no longer valid.
            WentBackError: the manager has lost a part of its record.
        """
        begun_at = self._time.monotonic()
        backoff = Backoff(MAX_PAUSE_SECONDS)
        defects = 0
        while True:
            try:
                return work()
            except SessionClientError as exc:
                if exc.code == RECORD_BEHIND:
                    raise WentBackError from exc
                if exc.code == RUN_TOKEN_UNKNOWN:
                    raise UndeliveredError(str(exc)) from exc
                defects += exc.code == INTERNAL_ERROR
                if not may_pass(exc) or defects >= (MAX_DEFECTS if is_alone else 1):
                    raise RefusedError(exc) from exc
                backoff.fail()
                pause = backoff.pause_seconds()
                is_late = self._time.monotonic() - begun_at + pause > self._patience
                if is_late or self._time.wait(self._hurried, pause):
                    raise UndeliveredError(str(exc)) from exc
                logger.info("the request failed and is sent again: %s", exc)

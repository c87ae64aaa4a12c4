"""Trying a request again for as long as it may pass."""

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
"""How long a supervisor outlives its run for a manager that is away."""
MAX_DEFECTS = 8
"""Number of internal errors of the manager after which it has refused a single item."""

_OF_THE_SESSION = frozenset({"session_not_found", "not_for_runs"})
"""Refusals of all items alike: none has to be tried alone."""


class WentBackError(Exception):
    """The manager no longer has what it said it has."""


class RefusedError(Exception):
    """The manager will not take this request, however often it is sent."""

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
        """Have no patience from now on."""
        self._hurried.set()

    def until_answered(self, work: Callable[[], T], *, is_alone: bool) -> T:
        """Return what `work` returns, which is called again while its error may pass.

        Where the manager has a defect, a single item may be the reason: with `is_alone` it is tried
        more often before it counts as refused.

        Raises:
            RefusedError: the manager will not take it.
            UndeliveredError: the patience has run out, or our token is no longer valid.
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
                logger.info("it is sent again, as it may pass: %s", exc)

"""A client that can wait long for an answer, and reports that it does."""

from __future__ import annotations

from collections.abc import Callable
from threading import Timer
from typing import Any

from ..session_client import SessionClient

TIMEOUT_SECONDS = 5.0
"""Default timeout of a request, the same as that of `SessionClient`."""
PATIENCE_SECONDS = 60.0
"""Timeout of a request that is not repeated: a manager on a busy machine may need long for one."""


class PatientClient(SessionClient):
    """A `SessionClient` that calls a function while a request has no answer."""

    on_silence: Callable[[], None] | None = None
    """Called in another thread, once a request has had no answer for `TIMEOUT_SECONDS`."""

    def _exchange(
        self,
        method: str,
        path: str,
        content: bytes | None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        if self.on_silence is None:
            return super()._exchange(method, path, content, content_type)
        silence = Timer(TIMEOUT_SECONDS, self.on_silence)
        silence.daemon = True
        silence.start()
        try:
            return super()._exchange(method, path, content, content_type)
        finally:
            silence.cancel()

"""Waking those who wait for something of a session, inside this process.

A bell carries nothing: whoever hears it looks at the store again. So one that rings for nothing
does no harm, and none has to be queued.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Bells:
    """One bell per session, for as long as somebody listens to it."""

    def __init__(self) -> None:
        self._listening: dict[str, set[asyncio.Event]] = {}
        self._closed = False

    @property
    def is_closed(self) -> bool:
        return self._closed

    @contextmanager
    def listening(self, session_id: str) -> Iterator[asyncio.Event]:
        """An event that is set by the next ring; listen before you look."""
        rung = asyncio.Event()
        if self._closed:
            rung.set()
        listeners = self._listening.setdefault(session_id, set())
        listeners.add(rung)
        try:
            yield rung
        finally:
            listeners.discard(rung)
            if not listeners:
                self._listening.pop(session_id, None)

    def ring(self, session_id: str) -> None:
        for rung in self._listening.get(session_id, ()):
            rung.set()

    def close(self) -> None:
        """Wake everybody, now and from now on: nobody waits in a manager that stops."""
        self._closed = True
        for session_id in self._listening:
            self.ring(session_id)

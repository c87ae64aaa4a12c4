"""Waking those who wait for something of a session, inside this process.

A bell carries nothing: whoever hears it looks at the store again. So one that rings for nothing
does no harm, and none has to be queued.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager


class Bells:
    """One bell per session, for as long as somebody listens to it, and one of all sessions."""

    def __init__(self) -> None:
        self._listening: dict[str | None, set[asyncio.Event]] = {}
        self._closed = False

    @property
    def is_closed(self) -> bool:
        return self._closed

    @contextmanager
    def listening(self, session_id: str | None) -> Iterator[asyncio.Event]:
        """An event that is set by the next ring, with None by that of any; listen, then look."""
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

    def ring(self, session_ids: Collection[str] | None) -> None:
        """Ring for these sessions; None: for all that anybody listens to."""
        keys = list(self._listening) if session_ids is None else (*session_ids, None)
        for key in keys if keys != (None,) else ():
            for rung in self._listening.get(key, ()):
                rung.set()

    def close(self) -> None:
        """Wake everybody, now and from now on: nobody waits in a manager that stops."""
        self._closed = True
        self.ring(None)

"""Sends items of one kind: the interface of all senders, and the sender of events."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from ..client.manager import ManagerClient, cursor_of
from .attempts import Attempts, RefusedError
from .outbox import Outbox, Waiting

logger = logging.getLogger(__name__)

_EVENTS = ""
"""The stream of a session's events: see `Outbox.find_mark`."""


class Sender(Protocol):
    """Sends items of one kind, and removes delivered and refused ones from the outbox."""

    def send(self, batch: Sequence[Waiting]) -> None:
        """Send a batch from `Outbox.next_batch`.

        Raises:
            UndeliveredError: the batch was not sent, and waits.
            WentBackError: the manager has lost confirmed data; everything is sent again.
        """

    def forget(self) -> None:
        """Discard stored knowledge of the manager, which has lost a part of its record."""


class EventSender:
    """Sends events to the session of the outbox."""

    def __init__(self, manager: ManagerClient, outbox: Outbox, attempts: Attempts) -> None:
        self._manager = manager
        self._outbox = outbox
        self._attempts = attempts

    def send(self, batch: Sequence[Waiting]) -> None:
        """Send events. If the manager refuses them, send each half separately."""
        try:
            mark = self._attempts.until_answered(
                lambda: self._append(batch), is_alone=len(batch) == 1
            )
        except RefusedError as exc:
            if len(batch) == 1 or exc.is_of_all:
                logger.warning("the manager refused %d events for good: %s", len(batch), exc)
                self._outbox.refuse(batch, str(exc))
                return
            middle = len(batch) // 2
            self.send(batch[:middle])
            self.send(batch[middle:])
        else:
            self._outbox.remove(batch, _EVENTS, mark)

    def forget(self) -> None:
        """Do nothing: the outbox has already discarded the marks."""

    def _append(self, batch: Sequence[Waiting]) -> str | None:
        """Append events to the session, and return its new mark."""
        known = self._outbox.find_mark(_EVENTS) or self._ask_for_mark()
        session_id = self._outbox.run.session_id
        events = [waiting.item for waiting in batch]
        seqs = self._manager.append_events(session_id, events, known=known)
        if known is None:
            return None
        generation, _, reached = known.rpartition(":")
        return f"{generation}:{max([int(reached), *seqs])}"

    def _ask_for_mark(self) -> str | None:
        """Return a first mark: the session's generation and the seq 0.

        Returns None if an older manager sends no generation.
        """
        session = self._manager.get_session(self._outbox.run.session_id)
        mark = cursor_of(session, 0)
        if mark is not None:
            self._outbox.set_mark(_EVENTS, mark)
        return mark

"""Brings what is in an outbox to the manager, in order, for as long as it takes.

Every item has an id, so sending one again is harmless: whatever may pass is tried again, with
growing pauses. What the manager refuses for good is put aside alone, at once, and the rest goes on:
nothing stands in front of the end of a run. With each request goes how far the manager has said
that it has come: where an older state of its record was put back, it refuses what would come too
early, and is sent again what it lacks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from .attempts import Attempts, UndeliveredError, WentBackError
from .outbox import Outbox
from .sender import Sender

logger = logging.getLogger(__name__)


class Delivery:
    """Delivers one outbox: in a thread from `start` until `finish` has returned, or at once."""

    def __init__(
        self, outbox: Outbox, senders: Mapping[str, Sender], *, attempts: Attempts
    ) -> None:
        """Take a sender for each kind of item."""
        self._outbox = outbox
        self._senders = senders
        self._attempts = attempts
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Wait until everything is through, or the patience for it is at its end."""
        with self._outbox.changed:
            self._closing = True
            self._outbox.changed.notify_all()
        self._thread.join()

    def hurry(self) -> None:
        """Have no patience any more: what does not go through now is left for the next command."""
        self._attempts.hurry()

    def deliver(self) -> None:
        """Send until the outbox is empty.

        Raises:
            UndeliveredError: the patience is at its end.
        """
        while batch := self._outbox.next_batch():
            try:
                self._sender_of(batch[0].kind).send(batch)
            except WentBackError:
                self._take_back()

    def _sender_of(self, kind: str) -> Sender:
        if kind not in self._senders:
            raise UndeliveredError(f"a newer version put items of the kind {kind!r} here")
        return self._senders[kind]

    def _take_back(self) -> None:
        """Have all wait again that the manager had, as what it lacks comes before what is new."""
        count = self._outbox.take_back()
        for sender in self._senders.values():
            sender.forget()
        logger.warning("the manager has lost what it had: %d items are sent again", count)

    def _run(self) -> None:
        try:
            while self._wait_for_items():
                self.deliver()
        # The end of the thread: whatever it is, nobody may wait for what does not leave any more.
        except Exception:
            logger.exception("items stay in %s, for the next command", self._outbox.path)
            self._outbox.give_up()

    def _wait_for_items(self) -> bool:
        """Return whether there are any, once there are or none will come any more."""
        with self._outbox.changed:
            while not self._outbox.count_waiting():
                if self._closing:
                    return False
                self._outbox.changed.wait()
        return True

"""Delivers the items of an outbox to the manager in order, with retries.

Every item has an id, so sending it again is harmless. Temporary errors are retried with growing
pauses. Items that the manager refuses permanently are moved to a separate table at once, and
delivery continues with the rest. So no item blocks the end of a run. Each request carries the
position that the manager confirmed last. If an older backup was restored, the manager refuses a
request beyond its own position. The client then sends the missing items again.
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
    """Delivers one outbox: in a thread between `start` and `finish`, or at once with `deliver`."""

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
        """Wait until everything is delivered, or the time is up."""
        with self._outbox.changed:
            self._closing = True
            self._outbox.changed.notify_all()
        self._thread.join()

    def hurry(self) -> None:
        """Stop waiting: the next command delivers the remaining items."""
        self._attempts.hurry()

    def deliver(self) -> None:
        """Send until the outbox is empty.

        Raises:
            UndeliveredError: the time is up.
        """
        while batch := self._outbox.next_batch():
            try:
                self._sender_of(batch[0].kind).send(batch)
            except WentBackError:
                self._take_back()

    def _sender_of(self, kind: str) -> Sender:
        if kind not in self._senders:
            raise UndeliveredError(f"a newer version wrote items of the kind {kind!r} here")
        return self._senders[kind]

    def _take_back(self) -> None:
        """Queue all delivered items again, as missing ones must come before new ones."""
        count = self._outbox.take_back()
        for sender in self._senders.values():
            sender.forget()
        logger.warning("the manager has lost confirmed items: %d items are sent again", count)

    def _run(self) -> None:
        try:
            while self._wait_for_items():
                self.deliver()
        # Any error ends the thread, so no caller may continue to wait for the outbox.
        except Exception:
            logger.exception("items stay in %s until the next command", self._outbox.path)
            self._outbox.give_up()

    def _wait_for_items(self) -> bool:
        """Wait for items. Return False if the outbox is empty and no more will come."""
        with self._outbox.changed:
            while not self._outbox.count_waiting():
                if self._closing:
                    return False
                self._outbox.changed.wait()
        return True

"""Delivering what a run has for the manager, also what a supervisor that died has left."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from ..client.manager import ManagerClient
from ..machine.clock import SYSTEM, Time
from ..outbox.attempts import PATIENCE_SECONDS, Attempts, UndeliveredError
from ..outbox.delivery import Delivery
from ..outbox.files import list_outboxes
from ..outbox.outbox import EVENT, Outbox, OutboxError
from ..outbox.sender import EventSender, Sender
from ..session_client import SessionClientError
from ..transcripts.sender import TRANSCRIPT, TranscriptSender
from .registry import list_registered

logger = logging.getLogger(__name__)

LEFTOVER_SECONDS = 5.0
"""How long a command may take to deliver what a dead supervisor left behind."""


def delivery_of(
    manager: ManagerClient,
    outbox: Outbox,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    time: Time = SYSTEM,
) -> Delivery:
    """Return the delivery of everything that a run puts into its outbox."""
    attempts = Attempts(patience_seconds=patience_seconds, time=time)
    senders: dict[str, Sender] = {
        EVENT: EventSender(manager, outbox, attempts),
        TRANSCRIPT: TranscriptSender(manager, outbox, attempts),
    }
    return Delivery(outbox, senders, attempts=attempts)


def deliver_leftovers(manager: ManagerClient, directory: Path) -> None:
    """Deliver what supervisors that died have left for this manager; those that live are let be."""
    alive = {entry.path.stem for entry in list_registered(directory.parent) if not entry.is_dead}
    for path in list_outboxes(directory):
        if path.stem in alive:  # a free lock says nothing of a supervisor on another machine
            continue
        try:
            with Outbox(path) as outbox:
                if outbox.run.url == manager.base_url:
                    delivery_of(manager, outbox, patience_seconds=LEFTOVER_SECONDS).deliver()
                    # With nothing left to say, its tokens are good for nothing.
                    with contextlib.suppress(SessionClientError):
                        manager.revoke_run_tokens(outbox.run.session_id, outbox.run.run)
        except OutboxError as exc:
            logger.info("left for later: %s: %s", path, exc)
        except UndeliveredError as exc:  # nor would the next be delivered, and somebody waits
            logger.info("left for later: %s and what follows: %s", path, exc)
            return


def retry_refused(manager: ManagerClient, directory: Path) -> int:
    """Have what was refused, and nobody has, wait again for this manager; return how much it is."""
    count = 0
    for path in list_outboxes(directory):
        with contextlib.suppress(OutboxError), Outbox(path) as outbox:
            if outbox.run.url == manager.base_url:
                count += outbox.retry_refused()
    return count

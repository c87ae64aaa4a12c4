"""Delivers the items of a run to the manager, also those that a dead supervisor left behind."""

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
"""Time that a command may take to deliver the items of a dead supervisor."""


def delivery_of(
    manager: ManagerClient,
    outbox: Outbox,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    time: Time = SYSTEM,
) -> Delivery:
    """Return the delivery of all items in the outbox of a run."""
    attempts = Attempts(patience_seconds=patience_seconds, time=time)
    senders: dict[str, Sender] = {
        EVENT: EventSender(manager, outbox, attempts),
        TRANSCRIPT: TranscriptSender(manager, outbox, attempts),
    }
    return Delivery(outbox, senders, attempts=attempts)


def deliver_leftovers(manager: ManagerClient, directory: Path) -> None:
    """Deliver the items that dead supervisors left for this manager. Skip living supervisors."""
    alive = {entry.path.stem for entry in list_registered(directory.parent) if not entry.is_dead}
    for path in list_outboxes(directory):
        if path.stem in alive:  # a lock held on another machine can look free here
            continue
        try:
            with Outbox(path) as outbox:
                if outbox.run.url == manager.base_url:
                    delivery_of(manager, outbox, patience_seconds=LEFTOVER_SECONDS).deliver()
                    # Everything is delivered, so the run no longer needs its tokens.
                    with contextlib.suppress(SessionClientError):
                        manager.revoke_run_tokens(outbox.run.session_id, outbox.run.run)
        except OutboxError as exc:
            logger.info("skipped the outbox %s: %s", path, exc)
        except UndeliveredError as exc:  # the next would fail too, and the command waits
            logger.info("delivery stopped at the outbox %s: %s", path, exc)
            return


def retry_refused(manager: ManagerClient, directory: Path) -> int:
    """Queue refused items for this manager again, and return their number.

    Outboxes that another process holds are skipped.
    """
    count = 0
    for path in list_outboxes(directory):
        with contextlib.suppress(OutboxError), Outbox(path) as outbox:
            if outbox.run.url == manager.base_url:
                count += outbox.retry_refused()
    return count

"""Brings the events of an outbox to the manager, in order, for as long as it takes.

Every event has an id, so sending one again is harmless: whatever may pass is tried again, with
growing pauses. What the manager refuses for good is put aside alone, and the rest goes on. One
that went back to an older state of its database, as its disk or its owner had it, is sent again
what it had said it has.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import stamina

from .manager_client import RUN_TOKEN_UNKNOWN, ManagerClient, may_pass
from .outbox import Outbox, OutboxError, Waiting, list_outboxes
from .registry import list_registered
from .session_client import SessionClientError, SessionNotFoundError

logger = logging.getLogger(__name__)

MAX_PAUSE_SECONDS = 15.0
PATIENCE_SECONDS = 24 * 3600.0
"""How long a supervisor outlives its run for a manager that is away."""
LEFTOVER_SECONDS = 5.0
"""How long a command may take to deliver what a dead supervisor left behind."""


SURE_SECONDS = 1.0
"""How long after an answer nobody can have put another database under the manager."""


class _WentBackError(Exception):
    """The manager has no longer what it said it has; all of it waits again."""


class UndeliveredError(Exception):
    """The manager could not be reached, or lets us in no more; the events stay in the outbox."""


def deliver(manager: ManagerClient, outbox: Outbox, *, patience_seconds: float) -> None:
    """Send until the outbox is empty.

    Raises:
        UndeliveredError: the patience is at its end.
    """
    while batch := outbox.next_batch():
        try:
            _send(manager, outbox, batch, patience_seconds)
        except _WentBackError:
            count = outbox.take_back()
            logger.warning("the manager has lost what it had: %d items are sent again", count)


def _send(
    manager: ManagerClient,
    outbox: Outbox,
    batch: Sequence[Waiting],
    patience_seconds: float,
) -> None:
    again = stamina.retry_context(
        on=may_pass, attempts=None, timeout=patience_seconds, wait_max=MAX_PAUSE_SECONDS
    )
    try:
        last_seq = None
        for attempt in again:
            with attempt:
                _refuse_one_that_went_back(manager, outbox, is_sure=attempt.num == 1)
                last_seq = _append(manager, outbox, batch)
    except SessionClientError as exc:
        if may_pass(exc) or exc.code == RUN_TOKEN_UNKNOWN:
            raise UndeliveredError(str(exc)) from exc
        if len(batch) == 1:
            logger.warning("the manager refused an event for good: %s", exc)
            outbox.refuse(batch[0], str(exc))
            return
        for waiting in batch:
            _send(manager, outbox, [waiting], patience_seconds)
    else:
        outbox.remove(batch, last_seq)
        outbox.answered_at = time.monotonic()


def _refuse_one_that_went_back(manager: ManagerClient, outbox: Outbox, *, is_sure: bool) -> None:
    """Look before anything is sent, as what was lost has its place before what is new."""
    known = outbox.last_seq
    is_sure = is_sure and time.monotonic() - outbox.answered_at < SURE_SECONDS
    if known is None or is_sure:
        return
    try:
        session = manager.get_session(outbox.run.session_id)
    except SessionNotFoundError:  # deleted: as the append will say
        return
    if session.get("last_seq", known) < known:
        raise _WentBackError


def _append(manager: ManagerClient, outbox: Outbox, batch: Sequence[Waiting]) -> int | None:
    """Send a batch; return the seq of its last event, or None for lines of a transcript."""
    if not batch[0].is_transcript:
        seqs = manager.append_events(outbox.run.session_id, [waiting.event for waiting in batch])
        known = outbox.last_seq or 0
        for waiting, seq in zip(batch, seqs, strict=False):
            if seq <= known and not outbox.has_kept(waiting.event):
                raise _WentBackError
        return max(seqs, default=None)
    from .mirroring import to_batch
    from .transcript_appends import DirectAppends

    DirectAppends(manager).append(to_batch(batch[0].event))
    return None


def deliver_leftovers(manager: ManagerClient, directory: Path) -> None:
    """Deliver what supervisors that died have left for this manager; those that live are let be."""
    alive = {entry.path.stem for entry in list_registered(directory.parent) if not entry.is_dead}
    for path in list_outboxes(directory):
        if path.stem in alive:  # a free lock says nothing of a supervisor on another machine
            continue
        try:
            with Outbox(path) as outbox:
                if outbox.run.url == manager.base_url:
                    deliver(manager, outbox, patience_seconds=LEFTOVER_SECONDS)
                    # With nothing left to say, its tokens are good for nothing.
                    with contextlib.suppress(SessionClientError):
                        manager.revoke_run_tokens(outbox.run.session_id, outbox.run.run)
        except OutboxError as exc:
            logger.info("left for later: %s: %s", path, exc)
        except UndeliveredError as exc:  # nor would the next be delivered, and somebody waits
            logger.info("left for later: %s and what follows: %s", path, exc)
            return


class Delivery:
    """Delivers in a thread while a run goes on, from `start` until `finish` has returned."""

    def __init__(self, manager: ManagerClient, outbox: Outbox) -> None:
        self._manager = manager
        self._outbox = outbox
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

    def _run(self) -> None:
        try:
            while self._wait_for_events():
                deliver(self._manager, self._outbox, patience_seconds=PATIENCE_SECONDS)
        except (UndeliveredError, OutboxError):
            logger.exception("events stay in %s, for the next command", self._outbox.path)
            self._outbox.give_up()

    def _wait_for_events(self) -> bool:
        """Return whether there are any, once there are or none will come any more."""
        with self._outbox.changed:
            while not self._outbox.count_waiting():
                if self._closing:
                    return False
                self._outbox.changed.wait()
        return True

"""Brings what is in an outbox to the manager, in order, for as long as it takes.

Every item has an id, so sending one again is harmless: whatever may pass is tried again, with
growing pauses. What the manager refuses for good is put aside alone, at once, and the rest goes on:
nothing stands in front of the end of a run. With each request goes how far the manager has said
that it has come: where an older state of its record was put back, it refuses what would come too
early, and is sent again what it lacks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from .client.manager import (
    INTERNAL_ERROR,
    RECORD_BEHIND,
    RUN_TOKEN_UNKNOWN,
    ManagerClient,
    cursor_of,
    may_pass,
)
from .machine.clock import SYSTEM, Backoff, Time
from .outbox.files import list_outboxes
from .outbox.outbox import EVENTS, TRANSCRIPT, Outbox, OutboxError, Waiting
from .registry import list_registered
from .session_client import SessionClientError
from .transcripts.appends import Batch, DirectAppends, to_batch

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_PAUSE_SECONDS = 15.0
PATIENCE_SECONDS = 24 * 3600.0
"""How long a supervisor outlives its run for a manager that is away."""
LEFTOVER_SECONDS = 5.0
"""How long a command may take to deliver what a dead supervisor left behind."""
MAX_DEFECTS = 8
"""So often the manager may fail on one item by a defect of its own; some of them pass."""

_OF_THE_SESSION = frozenset({"session_not_found", "not_for_runs"})
"""What is said of all items alike: none has to be tried alone."""


class _WentBackError(Exception):
    """The manager has no longer what it said it has."""


class _RefusedError(Exception):
    """The manager will not take this request, however often it is sent."""

    def __init__(self, refusal: SessionClientError) -> None:
        super().__init__(str(refusal))
        self.is_of_all = refusal.code in _OF_THE_SESSION


class UndeliveredError(Exception):
    """The manager could not be reached, or lets us in no more; the items stay in the outbox."""


class Delivery:
    """Delivers one outbox: in a thread from `start` until `finish` has returned, or at once."""

    def __init__(
        self,
        manager: ManagerClient,
        outbox: Outbox,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        time: Time = SYSTEM,
    ) -> None:
        self._manager = manager
        self._outbox = outbox
        self._patience = patience_seconds
        self._time = time
        self._transcripts = DirectAppends(manager)
        self._closing = False
        self._hurried = threading.Event()
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
        self._hurried.set()

    def deliver(self) -> None:
        """Send until the outbox is empty; see the function of this name."""
        while batch := self._outbox.next_batch():
            try:
                if batch[0].is_transcript:
                    self._send_transcript(batch[0])
                else:
                    self._send_events(batch)
            except _WentBackError:
                self._take_back()

    def _send_events(self, batch: Sequence[Waiting]) -> None:
        """Send events in halves of halves, where some of them are refused."""
        try:
            mark = self._until_answered(lambda: self._append(batch), is_alone=len(batch) == 1)
        except _RefusedError as exc:
            if len(batch) == 1 or exc.is_of_all:
                logger.warning("the manager refused %d events for good: %s", len(batch), exc)
                self._outbox.refuse(batch, str(exc))
                return
            for half in _halves(batch):
                self._send_events(half)
        else:
            self._outbox.remove(batch, EVENTS, mark)

    def _append(self, batch: Sequence[Waiting]) -> str | None:
        """Append events to the session; return how far it has come with them."""
        known = self._outbox.find_mark(EVENTS) or self._ask_for_mark()
        session_id = self._outbox.run.session_id
        events = [waiting.event for waiting in batch]
        seqs = self._manager.append_events(session_id, events, known=known)
        if known is None:
            return None
        generation, _, reached = known.rpartition(":")
        return f"{generation}:{max([int(reached), *seqs])}"

    def _ask_for_mark(self) -> str | None:
        """Where nothing is known yet: which session it is, and that no event has to be there.

        An older manager does not say it.
        """
        session = self._manager.get_session(self._outbox.run.session_id)
        mark = cursor_of(session, 0)
        if mark is not None:
            self._outbox.set_mark(EVENTS, mark)
        return mark

    def _send_transcript(self, waiting: Waiting) -> None:
        """Send the lines of a transcript; those that are refused are put aside without the rest."""
        batch = to_batch(waiting.event[TRANSCRIPT])
        known = int(self._outbox.find_mark(batch.stream) or 0)
        refused: list[str] = []
        reasons: list[str] = []

        def send(part: Batch, known: int) -> int:
            is_one = len(part.lines) == 1
            try:
                return self._until_answered(
                    lambda: self._transcripts.send(part, known=known), is_alone=is_one
                )
            except _RefusedError as exc:
                if not is_one and not exc.is_of_all:
                    first, second = part.halves()
                    return send(second, send(first, known))
                refused.extend(part.lines)
                reasons.append(str(exc))
                return known

        mark = str(send(batch, known))
        if not refused:
            self._outbox.remove([waiting], batch.stream, mark)
            return
        logger.warning("the manager refused %d lines for good: %s", len(refused), reasons[0])
        rest = dataclasses.replace(batch, lines=tuple(refused))
        part = dataclasses.replace(waiting, event={TRANSCRIPT: dataclasses.asdict(rest)})
        self._outbox.set_mark(batch.stream, mark)
        self._outbox.refuse([part], "; ".join(dict.fromkeys(reasons)))

    def _until_answered(self, work: Callable[[], T], *, is_alone: bool) -> T:
        """Do something, again if need be, until the manager has taken it or says that it will not.

        Where it has a defect, it may be one of the items that it cannot take: others go on alone.

        Raises:
            _RefusedError: it will not.
            UndeliveredError: the patience is at its end, or we are let in no more.
        """
        begun_at = self._time.monotonic()
        backoff = Backoff(MAX_PAUSE_SECONDS)
        defects = 0
        while True:
            try:
                return work()
            except SessionClientError as exc:
                if exc.code == RECORD_BEHIND:
                    raise _WentBackError from exc
                if exc.code == RUN_TOKEN_UNKNOWN:
                    raise UndeliveredError(str(exc)) from exc
                defects += exc.code == INTERNAL_ERROR
                if not may_pass(exc) or defects >= (MAX_DEFECTS if is_alone else 1):
                    raise _RefusedError(exc) from exc
                backoff.fail()
                pause = backoff.pause_seconds()
                is_late = self._time.monotonic() - begun_at + pause > self._patience
                if is_late or self._time.wait(self._hurried, pause):
                    raise UndeliveredError(str(exc)) from exc
                logger.info("it is sent again, as it may pass: %s", exc)

    def _take_back(self) -> None:
        """Have all wait again that the manager had, as what it lacks comes before what is new."""
        count = self._outbox.take_back()
        self._transcripts = DirectAppends(self._manager)
        logger.warning("the manager has lost what it had: %d items are sent again", count)

    def _run(self) -> None:
        try:
            while self._wait_for_events():
                self.deliver()
        # The end of the thread: whatever it is, nobody may wait for what does not leave any more.
        except Exception:
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


def deliver(manager: ManagerClient, outbox: Outbox, *, patience_seconds: float) -> None:
    """Send until the outbox is empty.

    Raises:
        UndeliveredError: the patience is at its end.
    """
    Delivery(manager, outbox, patience_seconds=patience_seconds).deliver()


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


def retry_refused(manager: ManagerClient, directory: Path) -> int:
    """Have what was refused, and nobody has, wait again for this manager; return how much it is."""
    count = 0
    for path in list_outboxes(directory):
        with contextlib.suppress(OutboxError), Outbox(path) as outbox:
            if outbox.run.url == manager.base_url:
                count += outbox.retry_refused()
    return count


def _halves(batch: Sequence[Waiting]) -> tuple[Sequence[Waiting], Sequence[Waiting]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]

"""Sends transcript lines from an outbox."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

from ..client.manager import ManagerClient
from ..outbox.attempts import Attempts, RefusedError
from ..outbox.outbox import Outbox, Waiting
from .appends import DirectAppends
from .batch import Batch, to_batch

logger = logging.getLogger(__name__)

TRANSCRIPT = "transcript"
"""Kind of an item that contains a `Batch` of lines, and the key of the batch in it."""


class TranscriptSender:
    """Sends batches of lines, and updates the summaries of their transcripts."""

    def __init__(self, manager: ManagerClient, outbox: Outbox, attempts: Attempts) -> None:
        self._manager = manager
        self._outbox = outbox
        self._attempts = attempts
        self._appends = DirectAppends(manager)

    def send(self, batch: Sequence[Waiting]) -> None:
        """Send lines of one transcript; move refused lines to the refused items."""
        (waiting,) = batch
        lines = to_batch(waiting.item[TRANSCRIPT])
        known = int(self._outbox.find_mark(lines.stream) or 0)
        refused: list[str] = []
        reasons: list[str] = []

        def send(part: Batch, known: int) -> int:
            is_one = len(part.lines) == 1
            try:
                return self._attempts.until_answered(
                    lambda: self._appends.send(part, known=known), is_alone=is_one
                )
            except RefusedError as exc:
                if not is_one and not exc.is_of_all:
                    first, second = part.halves()
                    return send(second, send(first, known))
                refused.extend(part.lines)
                reasons.append(str(exc))
                return known

        mark = str(send(lines, known))
        if not refused:
            self._outbox.remove([waiting], lines.stream, mark)
            return
        logger.warning("the manager refused %d lines for good: %s", len(refused), reasons[0])
        rest = dataclasses.replace(lines, lines=tuple(refused))
        part = dataclasses.replace(waiting, item={TRANSCRIPT: dataclasses.asdict(rest)})
        self._outbox.set_mark(lines.stream, mark)
        self._outbox.refuse([part], "; ".join(dict.fromkeys(reasons)))

    def forget(self) -> None:
        self._appends = DirectAppends(self._manager)

"""How lines reach the manager's transcripts, and how their summaries follow.

Lines go in requests of a size that the manager takes. A summary is what the Agent SDK makes of the
first so many entries of a transcript, in their order there: so it does not matter who folds which
of them, and one that was left behind catches up with the next append.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Protocol

from ..client.errors import TRANSCRIPTS_OFF
from ..client.manager import ManagerClient
from ..session_client import SessionClientError
from .batch import Batch
from .summaries import Fold, Summaries, fold_as_sdk

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 4 * 1024 * 1024
MAX_REQUEST_LINES = 5000


class Appends(Protocol):
    """The way that batches take to the manager. Both methods block.

    1. When `append` has returned, the batch is not lost any more, as far as this way promises; it
       is called for one batch after the other.
    2. When `drain` has returned, all batches whose `append` had returned can be read from the
       manager. It may be called from any thread.
    """

    def append(self, batch: Batch) -> None: ...

    def drain(self) -> None: ...


class DirectAppends:
    """Straight to the manager: what `append` returned from is on its disk."""

    def __init__(self, manager: ManagerClient, *, fold: Fold | None = None) -> None:
        """Take the client to send with; `fold` is the Agent SDK's unless given."""
        self._manager = manager
        self._fold = fold or fold_as_sdk
        self._summaries = Summaries(manager, self._fold)

    def append(self, batch: Batch) -> None:
        self.send(batch)

    def send(self, batch: Batch, *, known: int = 0) -> int:
        """Append a batch and fold it into the summary, if it is of a main transcript.

        Returns the position that the transcript has reached; `known` is one that it had before. A
        manager that keeps no transcripts is taken at its word: nothing is kept.

        Raises:
            SessionClientError: not all of it was stored; it can be sent again as it is.
        """
        try:
            appended, last_position = self._append(batch, known)
        except SessionClientError as exc:
            if exc.code != TRANSCRIPTS_OFF:
                raise
            logger.info("the manager keeps no transcripts")
            return known
        if batch.subpath is None and batch.lines:
            try:
                self._summaries.advance(batch, appended=appended, last_position=last_position)
            except (SessionClientError, ImportError) as exc:  # or there is no SDK to fold with
                # The lines are stored. The SDK sees that the summary is older than they are, and
                # the next append folds what is missing.
                logger.warning("a transcript's summary stays behind: %s", exc)
        return last_position

    def _append(self, batch: Batch, known: int) -> tuple[int, int]:
        """Append the lines; return how many were new, and the position of the last one."""
        appended = 0
        for start, lines in _requests(batch.lines):
            batch_id = f"{batch.batch_id}.{start}"
            answer = self._manager.append_entries(
                batch.transcript, lines, batch_id=batch_id, known=known
            )
            appended += answer["appended"]
            known = answer["last_position"]
        return appended, known

    def drain(self) -> None:
        """Return: nothing is ever on its way."""


def _requests(lines: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Cut lines into requests: the place of the first one, and the lines.

    Always in the same way, so that a batch that is sent again consists of the same requests.
    """
    start = size = 0
    for place, line in enumerate(lines):
        line_size = len(line.encode())
        full = size + line_size > MAX_REQUEST_BYTES or place - start == MAX_REQUEST_LINES
        if full and place > start:
            yield start, list(lines[start:place])
            start, size = place, 0
        size += line_size + 1
    if lines:
        yield start, list(lines[start:])

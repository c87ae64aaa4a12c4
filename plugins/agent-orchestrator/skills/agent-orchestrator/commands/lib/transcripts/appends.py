"""Appends lines to the manager's transcripts, and updates their summaries.

Requests have a size that the manager accepts. A summary is made by the Agent SDK from the first
entries of a transcript, in their order there. So any client can continue a summary, and one that is
behind catches up with the next append.
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
    """Transport of batches to the manager. Both methods block.

    1. When `append` has returned, the batch is safe, as far as the transport promises. Its calls do
       not overlap.
    2. When `drain` has returned, all batches whose `append` had returned can be read from the
       manager. It may be called from any thread.
    """

    def append(self, batch: Batch) -> None: ...

    def drain(self) -> None: ...


class DirectAppends:
    """Sends batches directly to the manager. They are on its disk when `append` returns."""

    def __init__(self, manager: ManagerClient, *, fold: Fold | None = None) -> None:
        """Send with `manager`; the default of `fold` is the Agent SDK's function."""
        self._manager = manager
        self._fold = fold or fold_as_sdk
        self._summaries = Summaries(manager, self._fold)

    def append(self, batch: Batch) -> None:
        self.send(batch)

    def send(self, batch: Batch, *, known: int = 0) -> int:
        """Append a batch. If it is of a main transcript, fold it into the summary.

        Returns the last position of the transcript; `known` is an earlier one. If the manager keeps
        no transcripts, the lines are dropped.

        Raises:
            SessionClientError: not all lines were stored; the batch can be sent again unchanged.
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
            except (SessionClientError, ImportError) as exc:  # or the SDK is missing
                # The lines are stored. The SDK sees that the summary is older than the lines, and
                # the next append folds the missing entries.
                logger.warning("the summary of a transcript is behind: %s", exc)
        return last_position

    def _append(self, batch: Batch, known: int) -> tuple[int, int]:
        """Append the lines. Return the number of new lines and the position of the last line."""
        appended = 0
        for start, lines in _requests(batch.lines):
            batch_id = f"{batch.batch_id}.{start}"
            answer = self._manager.append_entries(
                batch.transcript,
                [line.encode() for line in lines],
                batch_id=batch_id,
                known=known,
            )
            appended += answer["appended"]
            known = answer["last_position"]
        return appended, known

    def drain(self) -> None:
        """Do nothing: no batch is ever waiting."""


def _requests(lines: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Split lines into requests. Yield the index of the first line of each, and its lines.

    The split is always the same, so a batch that is sent again consists of the same requests.
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

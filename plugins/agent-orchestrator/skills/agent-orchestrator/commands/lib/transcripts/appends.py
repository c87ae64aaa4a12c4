"""How lines reach the manager's transcripts, and how their summaries follow.

Lines go in requests of a size that the manager takes. A summary is what the Agent SDK makes of the
first so many entries of a transcript, in their order there: so it does not matter who folds which
of them, and one that was left behind catches up with the next append.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

from ..client.manager import TRANSCRIPTS_OFF, VERSION_CONFLICT, Json, ManagerClient
from ..session_client import SessionClientError

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 4 * 1024 * 1024
MAX_REQUEST_LINES = 5000
MAX_FOLDS = 16
"""Each time somebody else was first, that one has folded on: this many are never needed."""

Fold = Callable[[Json | None, str, list[Json]], Json]
"""From a summary or None, the id of its session and further entries: the next summary."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Lines that are appended together, each one JSON text without a line break.

    It is all that is needed to send it, any number of times: its id makes that harmless.
    """

    batch_id: str
    project_key: str
    session_id: str
    subpath: str | None
    lines: tuple[str, ...]

    @property
    def transcript(self) -> dict[str, str]:
        key = {"project_key": self.project_key, "session_id": self.session_id}
        return key if self.subpath is None else {**key, "subpath": self.subpath}

    @property
    def stream(self) -> str:
        """A text of its own for each transcript."""
        return json.dumps(self.transcript)

    def halves(self) -> tuple[Batch, Batch]:
        """Two batches of the same lines. Their ids are always the same ones."""
        middle = len(self.lines) // 2
        first, second = self.lines[:middle], self.lines[middle:]
        return (
            replace(self, batch_id=f"{self.batch_id}.a", lines=first),
            replace(self, batch_id=f"{self.batch_id}.b", lines=second),
        )


def to_batch(fields: Json) -> Batch:
    """The batch that became these fields by `asdict`, also by way of JSON."""
    return Batch(**{**fields, "lines": tuple(fields["lines"])})


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
        self._summaries = _Summaries(manager, self._fold)

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


class _Summaries:
    """Keeps summaries up with their transcripts. Remembers the one that it put last."""

    def __init__(self, manager: ManagerClient, fold: Fold) -> None:
        self._manager = manager
        self._fold = fold
        self._newest: tuple[Mapping[str, str], int, Json | None] | None = None

    def advance(self, batch: Batch, *, appended: int, last_position: int) -> None:
        """Fold until at least the entries up to `last_position` are in the summary."""
        before = last_position - appended
        for _ in range(MAX_FOLDS):
            version, summary = self._current(batch, before)
            if version >= last_position:
                return
            if version == before and appended == len(batch.lines):
                folded = self._fold(summary, batch.session_id, list(map(json.loads, batch.lines)))
                reached = last_position
            else:
                folded, reached = self._read_on(batch, version, summary)
            if self._put(batch, folded, expected_version=version, version=reached):
                return
        logger.warning("a transcript's summary stays behind: it changed each time")

    def _current(self, batch: Batch, wanted: int) -> tuple[int, Json | None]:
        if self._newest is not None and self._newest[:2] == (batch.transcript, wanted):
            return wanted, self._newest[2]
        for found in self._manager.list_summaries(batch.transcript):
            return found["version"], found["summary"]
        return 0, None

    def _read_on(self, batch: Batch, version: int, summary: Json | None) -> tuple[Json, int]:
        reached = version
        for entries in self._manager.iterate_entries(batch.transcript, after=version):
            summary = self._fold(summary, batch.session_id, entries)
            reached += len(entries)
        return summary or {}, reached

    def _put(self, batch: Batch, summary: Json, *, expected_version: int, version: int) -> bool:
        """Put it; return whether it was of the expected version."""
        self._newest = None
        try:
            self._manager.put_summary(
                batch.transcript,
                to_line(summary),
                expected_version=expected_version,
                version=version,
            )
        except SessionClientError as exc:
            if exc.code == VERSION_CONFLICT:
                return False
            raise
        self._newest = (batch.transcript, version, summary)
        return True


def to_line(value: Any) -> str:
    """One JSON text on one line, which can be encoded: half a surrogate pair becomes an escape."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text


def fold_as_sdk(summary: Json | None, session_id: str, entries: list[Json]) -> Json:
    """Fold entries as the Agent SDK does, which has to be installed."""
    from claude_agent_sdk import fold_session_summary
    from claude_agent_sdk.types import SessionKey, SessionStoreEntry, SessionSummaryEntry

    before: SessionSummaryEntry | None = None
    if summary is not None:
        before = {"session_id": session_id, "mtime": 0, "data": summary}
    key: SessionKey = {"project_key": "", "session_id": session_id}
    # An entry of the SDK is any object: its type only names what it sometimes looks at.
    folded = fold_session_summary(before, key, cast("list[SessionStoreEntry]", entries))
    return folded["data"]


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

"""Sends the parts of sessions, and the lines of transcripts, to the manager."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from ....client.errors import TRANSCRIPTS_OFF
from ....client.manager import ManagerClient
from ....events.prepare import prepare, storable
from ....session_client import SessionClientError
from ....transcripts.names import PROJECT_KEY
from ...format import TranscriptPart
from ..sources.parts import Part

Json = dict[str, Any]

TRANSCRIPT_BYTES = 3 * 1024 * 1024
_SPLIT_STATUS = (400, 413, 422)
"""A part with one invalid or too large event is refused as a whole."""


class Refused(NamedTuple):
    """An event that the manager does not accept, and why."""

    event_id: str
    reason: str


class Sent(NamedTuple):
    """The effect of one part."""

    is_new: bool
    events: int
    requests: int
    refused: tuple[Refused, ...] = ()
    lease_seconds: float | None = None
    """Duration of the lease of a run that is open."""


class Sender:
    """Connections to the manager. Several threads may use it."""

    def __init__(self, manager: ManagerClient, *, host: str) -> None:
        self._manager = manager
        self._host = host

    def send(
        self, part: Part, *, executor: str, begins: bool, source: Json | None, reason: str | None
    ) -> Sent:
        """Send one part. Events that the manager does not accept are left out.

        Raises:
            SessionClientError: the manager does not answer, or refuses the whole session.
        """
        body = {
            "begins": begins,
            "executor": executor,
            "host": self._host,
            "source": source,
            "reason": reason,
            "lease": None if part.holder is None else {"holder": part.holder},
            **part.facts,
        }
        return self._send(part.session_id, body, part.events, part.requests)

    def _send(
        self, session_id: str, body: Json, events: Sequence[Json], requests: Sequence[Json]
    ) -> Sent:
        try:
            content = _json({**body, "events": events, "requests": requests})
            answer = self._manager.import_history(session_id, content)
        except (SessionClientError, orjson.JSONEncodeError) as exc:
            if isinstance(exc, SessionClientError) and exc.status_code not in _SPLIT_STATUS:
                raise
            if len(events) + len(requests) == 0:
                raise
            if len(events) + len(requests) == 1:
                name = events[0]["event_id"] if events else requests[0]["key"]
                return Sent(False, 0, 0, (Refused(storable(str(name)), str(exc)),))
            return self._halves(session_id, body, events, requests)
        seconds = answer.get("lease_seconds")
        return Sent(answer["created"], answer["new_events"], answer["new_requests"], (), seconds)

    def _halves(
        self, session_id: str, body: Json, events: Sequence[Json], requests: Sequence[Json]
    ) -> Sent:
        sent = [self._send(session_id, body, *half) for half in _halves(events, requests)]
        return Sent(
            any(each.is_new for each in sent),
            sum(each.events for each in sent),
            sum(each.requests for each in sent),
            tuple(refused for each in sent for refused in each.refused),
            sent[-1].lease_seconds,
        )

    def send_transcript(
        self, part: TranscriptPart, lines: Sequence[bytes], *, offset: int
    ) -> tuple[Refused, ...]:
        """Append lines of a transcript, which begin at an offset of its file.

        Lines with a `uuid` that the transcript has already are skipped by the manager. If it keeps
        no transcripts, nothing is sent. Returns the lines that the manager does not accept.
        """
        transcript = {"project_key": PROJECT_KEY, "session_id": part.session_id}
        if part.subpath is not None:
            transcript["subpath"] = part.subpath
        refused: list[Refused] = []
        begin = size = 0
        for place, line in enumerate(lines):
            size += len(line)
            if size >= TRANSCRIPT_BYTES or place == len(lines) - 1:
                ids = f"import.{offset}"
                try:
                    refused += self._append(transcript, lines[begin : place + 1], ids, begin)
                except SessionClientError as exc:
                    if exc.code == TRANSCRIPTS_OFF:
                        return ()
                    raise
                begin, size = place + 1, 0
        return tuple(refused)

    def _append(
        self, transcript: Json, lines: Sequence[bytes], ids: str, begin: int
    ) -> tuple[Refused, ...]:
        """Append lines; halve a refused request until only the refused lines are left out."""
        try:
            self._manager.append_entries(transcript, lines, batch_id=f"{ids}.{begin}")
        except SessionClientError as exc:
            if exc.status_code not in _SPLIT_STATUS:
                raise
            if len(lines) == 1:
                return (Refused("a line of the transcript", str(exc)),)
            middle = len(lines) // 2
            return (
                *self._append(transcript, lines[:middle], ids, begin),
                *self._append(transcript, lines[middle:], ids, begin + middle),
            )
        return ()


def _json(body: Json) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        # JSON inside of a text can have values that the JSON around it cannot have.
        return orjson.dumps({**body, "events": [prepare(event) for event in body["events"]]})


def _halves(
    events: Sequence[Json], requests: Sequence[Json]
) -> list[tuple[list[Json], list[Json]]]:
    """Divide events and requests. Each half has less; requests stay after the same events."""
    if len(events) <= 1:
        alone = [{**each, "place": 0} for each in requests]
        middle = 0 if events else len(alone) // 2
        first = ([], alone[:middle]) if not events else (list(events), [])
        return [first, ([], alone[middle:])]
    middle = len(events) // 2
    before = [each for each in requests if each["place"] <= middle]
    after = [
        {**each, "place": each["place"] - middle} for each in requests if each["place"] > middle
    ]
    return [(list(events[:middle]), before), (list(events[middle:]), after)]

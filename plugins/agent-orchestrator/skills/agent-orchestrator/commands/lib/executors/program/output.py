"""Turns a program's output into events: one message in parts, each yielded soon after its text.

Parts end at line ends where they can. A secret that spans two parts is masked in both. A line that
could contain the beginning of a secret waits until it is complete. Of output above the limit, the
beginning and the end are kept, and the number of bytes between them.
"""

from __future__ import annotations

import codecs
import re
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from ...events.event import Event
from ...events.last_states import last_states
from ...events.prepare import create_event, text_content
from ...shared.masking import ANCHORS, MAX_SECRET_CHARS, Span, find_secrets, mask_spans, rules_for

OUTPUT_BYTES_LIMIT = 16 * 1024 * 1024
"""Output up to this size is kept completely, for stdout and stderr each."""
PART_CHARS = 100_000
"""Maximum for one event. In UTF-8 it is below the limit of an event's text."""

_ENCODING, _ERRORS = "utf-8", "surrogateescape"  # encoding restores every byte
_ARMOUR = re.compile(r"-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY")
_ARMOUR_END = re.compile(r"-----END[A-Z0-9 ]{0,40}-----")
_WORD_CHARS = 12
"""A longer word at the end of an unfinished line could be the beginning of a secret."""


class Output:
    """Output stream of a program: `add` takes its bytes, `take` yields the events that are due."""

    def __init__(
        self,
        event_type: str,
        *,
        known: Mapping[str, str] | None = None,
        limit: int = OUTPUT_BYTES_LIMIT,
        **fields: Any,
    ) -> None:
        """Give each event these fields; `known` maps the text of known secrets to their kind."""
        self._event_type = event_type
        self._fields = fields
        self._known = known or {}
        self._limit = self._room = limit
        self._decoder = codecs.getincrementaldecoder(_ENCODING)(_ERRORS)
        self._before = ""
        """The end of the text that was yielded, unmasked."""
        self._waiting: list[str] = []
        self._end: deque[bytes] | None = None
        """Once the beginning is full: the candidate for the end."""
        self._end_bytes = 0
        self._omitted = 0
        self._first_id: str | None = None
        self.waiting_chars = 0
        self.has_line_begun = False
        """True if part of a line waits. It may be yielded if the rest does not come soon."""

    @property
    def is_empty(self) -> bool:
        """True if nothing was yielded yet."""
        return self._first_id is None

    def add(self, chunk: bytes) -> None:
        if self._end is not None:
            self._add_to_end(chunk)
            return
        text = self._decoder.decode(chunk)
        self._waiting.append(text)
        self.waiting_chars += len(text)

    def take(self, *, final: bool = False) -> Iterator[Event]:
        """Yield the waiting text as far as it is safe; with `final`, yield all of it."""
        if self._end is None:
            yield from self._take_beginning(final=final)
        if final and self._end is not None:
            yield from self._take_end()

    def last_lines(self, count: int) -> str:
        """Return the last lines, masked, for an error message. Call it after the last part."""
        text = self._before
        masked = mask_spans(text, find_secrets(text, rules_for(text), self._known))
        return "\n".join(last_states(masked).strip().splitlines()[-count:])

    def _take_beginning(self, *, final: bool) -> Iterator[Event]:
        if final:
            self._waiting.append(self._decoder.decode(b"", final=True))
        text, at = self._before + "".join(self._waiting), len(self._before)
        spans = find_secrets(text, rules_for(text), self._known)
        end = len(text) if final else self._settled(text, at)
        while at < end:
            part = self._part(text, at, end, spans)
            size = len(text[at:part].encode(_ENCODING, _ERRORS))
            if size > self._room:
                break
            yield self._event(text, at, part, spans)
            self._room -= size
            at = part
            if self._room < self._limit // 8:
                break
        self._before = text[max(0, at - MAX_SECRET_CHARS) : at]
        rest = text[at:]
        self._waiting, self.waiting_chars = [rest], len(rest)
        if at < end:
            yield from self._begin_end(rest)

    def _settled(self, text: str, at: int) -> int:
        """Return the position before which no secret can begin that further output completes."""
        lines = text.rfind("\n", at) + 1
        begun = text[lines or at :]
        *_, word = begun.rsplit(None, 1) or [""]
        is_harmless = len(word) < _WORD_CHARS and not any(anchor in begun for anchor in ANCHORS)
        end = lines or (len(text) if is_harmless else at)
        self.has_line_begun = bool(lines and begun and is_harmless)
        for armour in _ARMOUR.finditer(text):
            if _ARMOUR_END.search(text, armour.end()) is None:
                end = min(end, armour.start())
        # Text farther from the end than the longest secret does not wait for the rest.
        return max(at, end, len(text) - MAX_SECRET_CHARS)

    def _part(self, text: str, at: int, end: int, spans: list[Span]) -> int:
        """Return the end of the part that begins at `at`: at a line end, and not in a secret."""
        most = at + PART_CHARS
        if most < end:
            end = text.rfind("\n", at, most) + 1 or most
        across = next((span for span in spans if span.start < end < span.end), None)
        if across is None:
            return end
        return across.start if across.start > at else across.end

    def _event(self, text: str, begin: int, end: int, spans: list[Span], **fields: Any) -> Event:
        within = [
            Span(max(span.start, begin) - begin, min(span.end, end) - begin, span.kind)
            for span in spans
            if span.start < end and span.end > begin
        ]
        masked = mask_spans(text[begin:end], within)
        event_id = str(uuid.uuid4())
        continues, self._first_id = self._first_id, self._first_id or event_id
        return create_event(
            self._event_type,
            event_id,
            **self._fields,
            content=text_content(fields.pop("mark", "") + masked),
            continues=continues,
            masked_secrets=len(within) or None,
            **fields,
        )

    def _begin_end(self, rest: str) -> Iterator[Event]:
        """From now on keep the last `_room` bytes, and before them the length of one secret."""
        undecoded, _ = self._decoder.getstate()
        self._end = deque()
        self._waiting, self.waiting_chars, self.has_line_begun = [], 0, False
        self._add_to_end(rest.encode(_ENCODING, _ERRORS) + undecoded)
        size = f"{self._limit >> 20} MiB" if self._limit >> 20 else f"{self._limit} bytes"
        what = "stderr" if self._event_type == "stderr" else "stdout"
        yield create_event(
            "diagnostic",
            content=text_content(
                f"the program has written nearly {size} to {what}: only the end of further output "
                "is kept, and is recorded when the program has ended"
            ),
        )

    def _add_to_end(self, chunk: bytes) -> None:
        assert self._end is not None
        self._end.append(chunk)
        self._end_bytes += len(chunk)
        while self._end_bytes - len(self._end[0]) >= self._room + MAX_SECRET_CHARS:
            dropped = len(self._end.popleft())
            self._end_bytes -= dropped
            self._omitted += dropped

    def _take_end(self) -> Iterator[Event]:
        assert self._end is not None
        data = b"".join(self._end)
        cut = max(0, len(data) - self._room) if len(data) + self._omitted > self._room else 0
        while cut and cut < len(data) and data[cut] & 0xC0 == 0x80:  # within a character
            cut += 1
        self._omitted += cut
        before = "" if self._omitted else self._before
        text = before + data.decode(_ENCODING, _ERRORS)
        at = len(before) + len(data[:cut].decode(_ENCODING, _ERRORS))
        spans = find_secrets(text, rules_for(text), self._known)
        omitted = self._omitted
        marks = {"mark": f"\n[… {omitted} bytes omitted …]\n", "omitted_bytes": omitted}
        while at < len(text) or omitted:
            part = self._part(text, at, len(text), spans)
            yield self._event(text, at, part, spans, **(marks if omitted else {}))
            omitted, at = 0, part
        self._before = text[-MAX_SECRET_CHARS:]
        self._end = None
        self._waiting = []

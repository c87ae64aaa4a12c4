"""The output of a program as the content of events: decoded, masked, and cut to a limit."""

from __future__ import annotations

import codecs

from ..shared.masking import MAX_SECRET_CHARS, Span, find_secrets, mask_spans, rules_for
from .cut_text import CutText
from .event import Event
from .last_states import last_states
from .prepare import TEXT_BYTES_LIMIT, text_content


class OutputText:
    """Output of a program, decoded as it arrives; if it is too long, only head and tail are kept.

    Bytes that are not UTF-8 become U+FFFD. Beyond each cut, the length of the longest secret is
    also kept, so that a secret across the cut is found and masked.
    """

    def __init__(self, limit: int = TEXT_BYTES_LIMIT) -> None:
        self._limit = limit // 2
        self._half = self._limit + MAX_SECRET_CHARS
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._head = ""
        self._tail = ""
        self.characters = 0
        self.size = 0

    def add(self, chunk: bytes, *, final: bool = False) -> None:
        self.add_text(self._decoder.decode(chunk, final))

    def add_text(self, text: str) -> None:
        self.characters += len(text)
        self.size += len(text.encode(errors="replace"))
        room = self._half - len(self._head)
        self._head += text[:room] if room > 0 else ""
        self._tail += text[max(room, 0) :]
        if len(self._tail) > 2 * self._half:
            self._tail = self._tail[-self._half :]

    def text(self) -> str:
        """Return the output; a `CutText` if it was shortened."""
        omitted = self.characters - 2 * self._limit
        if omitted <= 0:
            return self._head + self._tail
        head, in_head = _cut(self._head, self._limit)
        tail, in_tail = _cut(self._end(), self._limit, keep_end=True)
        return CutText(
            f"{head}\n[… {omitted} characters omitted …]\n{tail}",
            characters=self.characters,
            size=self.size,
            masked=in_head + in_tail,
        )

    def fields(self) -> Event:
        """Return the `content` of an event, with a mark if the output was shortened."""
        text = self.text()
        fields: Event = {"content": text_content(text)}
        if isinstance(text, CutText):
            fields["shortened"] = {"content.0.text": text.characters}
            if text.masked:
                fields["masked_secrets"] = text.masked
        return fields

    def last_lines(self, count: int) -> str:
        """Return the last lines, masked, for a message to a person."""
        end, _ = _cut(self._end(), self._limit, keep_end=True)
        return "\n".join(last_states(end).strip().splitlines()[-count:])

    def _end(self) -> str:
        """Return the kept end of the output, or all of it if nothing was cut."""
        is_whole = self.characters <= len(self._head) + len(self._tail)
        return self._head + self._tail if is_whole else self._tail


def _cut(text: str, length: int, *, keep_end: bool = False) -> tuple[str, int]:
    """Return one end of a text, masked, and its number of secrets; mask those across the cut."""
    begin, end = (max(0, len(text) - length), len(text)) if keep_end else (0, length)
    kept: list[Span] = []
    for span in find_secrets(text, rules_for(text)):
        if span.start < end and span.end > begin:
            begin, end = min(begin, span.start), max(end, span.end)
            kept.append(span)
    shifted = [Span(span.start - begin, span.end - begin, span.kind) for span in kept]
    return mask_spans(text[begin:end], shifted), len(kept)

"""The import of one source, from the place where the last import ended."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import orjson

from ...format import Format, LineFormat, LineParser, Place, Source, TranscriptPart, WholeFormat
from ...formats.fields import parse_json
from ...items import BrokenRecord, BrokenRecordError, Item, UnknownRecord
from .lines import Line, LongLine, Opened, opened, read_lines
from .parts import MAX_BYTES, Part, Parts
from .report import SHOWN, sentence_of
from .state import Progress

BEGINNING = "{}"
"""The memory of a source that was not read yet."""
UNKNOWN = "unknown"
"""The end of a turn without an end, as the manager calls it."""
MAX_LINES_BYTES = 2 * MAX_BYTES
"""Size of lines for the transcript after which a batch ends, also if they have few events."""
_DIGITS_AS_0 = bytes.maketrans(b"123456789", b"000000000")
_INTEGER = re.compile(rb"(?<=[\s:,\[-])\d{19}")


class NotUnderstoodError(Exception):
    """A source has records, and its format understands none of them."""


@dataclass
class Batch:
    """Everything that was read since the last batch, and the place after it."""

    parts: list[Part]
    progress: Progress
    begins: frozenset[str]
    """The sessions whose first part is in this batch."""
    reasons: dict[str, str | None]
    """The end of the newest turn of each session whose turns the source has; None: it is open."""
    size: int
    """Size of its records and lines, as far as they are held."""
    lines: list[bytes] = field(default_factory=list)
    """Lines for the transcript."""
    first_offset: int = 0
    """The place of the first line."""

    @property
    def session_id(self) -> str:
        """The session of its first part; without a part, that of the part before it."""
        return self.parts[0].session_id if self.parts else self.progress.session_id

    def reason_of(self, session_id: str) -> str | None:
        """Return the end of the newest turn; None if the source has no turns of the session."""
        if session_id not in self.reasons:
            return None
        return self.reasons[session_id] or UNKNOWN


def has_open_turn(reasons: dict[str, str | None], session_id: str) -> bool:
    """Return whether the newest turn of a session has no end, by the `reasons` of a source."""
    return session_id in reasons and reasons[session_id] is None


def joined(batches: Sequence[Batch]) -> Batch:
    """Return the last of batches, with the lines of all. The others have no parts."""
    lines = [line for each in batches for line in each.lines]
    return replace(batches[-1], lines=lines, first_offset=batches[0].first_offset)


@dataclass
class Seen:
    """Counts of the records of a source."""

    understood: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)
    """The place of each record that cannot be read, and why; only the first ones."""
    broken_count: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    shortened: list[tuple[str, str]] = field(default_factory=list)
    """The place of each record that was shortened, and why; only the first ones."""
    shortened_count: int = 0

    def note_broken(self, place: str, why: str) -> None:
        self.broken_count += 1
        if len(self.broken) < SHOWN:
            self.broken.append((place, why))

    def note_shortened(self, place: str, size: int) -> None:
        self.shortened_count += 1
        if len(self.shortened) < SHOWN:
            why = f"long texts of its {size:,} bytes were shortened"
            self.shortened.append((place, why))


class OneSource:
    """Reads one source in batches."""

    def __init__(self, form: Format, source: Source, progress: Progress) -> None:
        self.form = form
        self.source = source
        self.seen = Seen()
        self._progress = progress
        find = getattr(form, "transcript_of", None)
        self.transcript: TranscriptPart | None = None if find is None else find(source)
        self._begin(json.loads(progress.parser))
        if self.transcript is not None and self.transcript.metadata and not progress.offset:
            self._lines.append(orjson.dumps(self.transcript.metadata))

    def _begin(self, memory: dict[str, Any]) -> None:
        self._parts = Parts(memory.get("reasons"))
        self._parser_state: dict[str, Any] | None = memory.get("parser")
        self._begun: set[str] = set(memory.get("begun", ()))
        self._lines: list[bytes] = []
        self._line_bytes = 0
        self._first_offset = self._progress.offset

    def read(self) -> Iterator[tuple[Batch, int]]:
        """Yield the batches, each with the number of bytes that were read for it.

        Raises:
            NotUnderstoodError: the format understands nothing of a source that has records.
            BrokenRecordError: the source as a whole is not of the format.
            OSError: the source cannot be read.
        """
        if self.source.stamp is None:
            with opened(self.source.path) as file:
                yield from self._read_lines(file)
        else:
            yield from self._read_whole(cast(WholeFormat, self.form))

    def _read_whole(self, form: WholeFormat) -> Iterator[tuple[Batch, int]]:
        for item in form.read(self.source):
            self._take(item, None)
            if self._parts.is_full:
                yield self._batch(self._progress), 0
        self._check_understood()
        yield self._batch(replace(self._progress, status="done", problem="")), 0

    def _read_lines(self, file: Opened) -> Iterator[tuple[Batch, int]]:
        if self._progress.offset and file.sample(self._progress.offset) != self._progress.sample:
            self._progress = replace(self._progress, offset=0, lines=0, parser=BEGINNING)
            self._begin({})
        parser = cast(LineFormat, self.form).parser(self.source, self._parser_state)
        lines, offset = self._progress.lines, self._progress.offset
        for line in read_lines(file, offset):
            if not _is_complete(line):
                break
            self._read_line(parser, line, lines + 1)
            # A line without its line break has not ended: appended bytes continue it.
            lines, offset = lines + line.is_whole, line.end
            if self._parts.is_full or self._line_bytes >= MAX_LINES_BYTES:
                yield self._batch_at(parser, file, lines, offset, "begun")
        if self._first_offset == 0:
            self._check_understood()
        yield self._batch_at(parser, file, lines, offset, "done")

    def _read_line(self, parser: LineParser, line: Line, number: int) -> None:
        place = Place(number, line.offset)
        try:
            if line.long is not None:
                record, content = self._long_record(line, line.long, place)
                raw = None  # its events are judged by their own size
            elif (content := line.content or b"").strip():
                record, raw = _parsed(content)
            else:
                return
            is_known = True
            for item in parser.read(record, place):
                is_known = is_known and not isinstance(item, UnknownRecord)
                self._take(item, raw)
        except BrokenRecordError as exc:
            self.seen.note_broken(f"line {number}", str(exc))
            return
        except OSError:
            raise
        except Exception as exc:  # a defect of the parser costs one line, not the file
            self.seen.note_broken(f"line {number}", sentence_of(exc))
            return
        self.seen.understood += is_known
        if self._is_kept(number) and isinstance(record, dict):
            self._lines.append(content)
            self._line_bytes += len(content)

    def _is_kept(self, number: int) -> bool:
        """Return whether a line is needed after it was read: the first one shows who wrote it."""
        return self.transcript is not None and (self.transcript.is_kept or number == 1)

    def _long_record(self, line: Line, long: LongLine, place: Place) -> tuple[Any, bytes]:
        """Return the value of a long line, and its content: as it is, or else shortened."""
        if long.value is None:
            raise BrokenRecordError(long.error)
        record, is_cut = long.value
        if is_cut:
            self.seen.note_shortened(f"line {place.number}", line.end - line.offset)
        return record, line.content or json.dumps(record, separators=(",", ":")).encode()

    def _take(self, item: Item, raw: bytes | None) -> None:
        match item:
            case UnknownRecord():
                self.seen.unknown[item.kind] += 1
            case BrokenRecord():
                self.seen.note_broken(item.place, item.reason)
            case _:
                self.seen.understood += raw is None
                self._parts.add(item, raw=raw)

    def _check_understood(self) -> None:
        seen = self.seen
        if not seen.understood and (seen.broken_count or seen.unknown):
            kinds = ", ".join(sorted(seen.unknown)[:3])
            why = f"unknown kinds: {kinds}" if kinds else seen.broken[0][1]
            raise NotUnderstoodError(
                f"no record is understood as one of {self.form.about.agent} ({why}): was it "
                "written by a newer version of the agent?"
            )

    def _batch_at(
        self, parser: LineParser, file: Opened, lines: int, offset: int, status: str
    ) -> tuple[Batch, int]:
        self._parser_state = parser.state
        read = offset - self._progress.offset
        progress = replace(
            self._progress,
            offset=offset,
            lines=lines,
            sample=file.sample(offset),
            status=status,
            problem="",
        )
        return self._batch(progress), read

    def _batch(self, progress: Progress) -> Batch:
        size = self._parts.size + self._line_bytes
        parts = self._parts.take()
        begins = frozenset(part.session_id for part in parts) - self._begun
        self._begun |= begins
        session_id = parts[-1].session_id if parts else progress.session_id
        self._progress = replace(progress, session_id=session_id, parser=self._memory())
        batch = Batch(
            parts=parts,
            progress=self._progress,
            begins=begins,
            reasons=dict(self._parts.reasons),
            size=size,
            lines=self._lines,
            first_offset=self._first_offset,
        )
        self._lines, self._line_bytes, self._first_offset = [], 0, progress.offset
        return batch

    def _memory(self) -> str:
        memory = {
            "parser": self._parser_state,
            "reasons": self._parts.reasons,
            "begun": sorted(self._begun),
        }
        return json.dumps(memory)


def _is_complete(line: Line) -> bool:
    """Return whether a line is complete: without a line break, it must be a whole JSON value."""
    if line.is_whole:
        return True
    if line.long is not None:
        return line.long.value is not None
    try:
        _parsed(line.content or b"")
    except BrokenRecordError:
        return False
    return True


def _parsed(content: bytes) -> tuple[Any, bytes | None]:
    """Return the value of a line; with the line if all of the value can be written again."""
    try:
        record = orjson.loads(content)
    except ValueError:
        # It accepts lone surrogates, NaN and numbers without a limit, which some agents write.
        return parse_json(content), None
    return (parse_json(content), None) if _has_rounded(content) else (record, content)


def _has_rounded(content: bytes) -> bool:
    """Return whether a line can have integers beyond 64 bits, which orjson rounds to a float.

    19 digits in a row contain four of every fourth byte: hardly a line needs the slow search.
    """
    return b"0000" in content[::4].translate(_DIGITS_AS_0) and bool(_INTEGER.search(content))

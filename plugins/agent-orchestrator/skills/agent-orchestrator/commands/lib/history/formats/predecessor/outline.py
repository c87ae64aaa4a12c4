"""The outline of a session file: its runs with their times, which a first pass finds."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import BinaryIO

from ..fields import Fields, Json, session_id_of, zoned_time_of_text
from . import lines

_MAX_DURATION = timedelta(days=30)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass
class RunOutline:
    """One run: from a prompt to the line before the next prompt."""

    began_at: datetime | None
    messages: int = 0
    """Number of lines after the prompt."""
    duration: timedelta | None = None
    """The duration that the result states."""


@dataclass
class Outline:
    """Facts of the whole file."""

    runs: list[RunOutline] = field(default_factory=list)
    session_id: str | None = None
    """The id in the first message that has one."""
    lines: int = 0
    known_lines: int = 0
    size: int = 0

    def time(self, run: int, message: int) -> datetime | None:
        """Estimate the time of a message of a run; the prompt is message 0."""
        if run >= len(self.runs):
            return None
        outline = self.runs[run]
        if outline.began_at is None or message == 0:
            return outline.began_at
        duration = outline.duration
        following = self.runs[run + 1].began_at if run + 1 < len(self.runs) else None
        if following is not None:
            until_next = max(timedelta(0), following - outline.began_at)
            duration = until_next if duration is None else min(duration, until_next)
        share = min(1.0, message / (outline.messages + 1))
        try:
            return outline.began_at + (duration or timedelta(0)) * share
        except OverflowError:
            return outline.began_at


def read_outline(file: BinaryIO, *, created_at: Json) -> Outline:
    """Return the outline of a file. Lines before the first prompt began when it was created."""
    outline = Outline()
    for line in lines.read(file):
        outline.lines += 1
        if line.kind == "unknown":
            continue
        outline.known_lines += 1
        if line.kind == "prompt":
            outline.runs.append(RunOutline(zoned_time_of_text(line.record.get("timestamp"))))
            continue
        if not outline.runs:
            outline.runs.append(RunOutline(zoned_time_of_text(created_at)))
        outline.runs[-1].messages += 1
        outline.session_id = outline.session_id or _session_id(line.record)
        if line.kind == "result":
            outline.runs[-1].duration = _duration(line.record.get("duration_ms"))
    outline.size = file.tell()
    return outline


def session_id(name: str, meta: Fields) -> str:
    """Return an id for a session that has none. A copy of its files has the same id."""
    parts = [name, *(str(meta.get(key)) for key in ("project_dir", "created_at"))]
    digest = hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:12]
    readable = re.sub(r"[^A-Za-z0-9._-]", "-", name[:60])
    return f"predecessor:{readable}:{digest}"


def _session_id(record: Fields) -> str | None:
    """Return the session's id in a result, or in the message that begins a run."""
    nested = record.get("data")
    for holder in (record, nested if isinstance(nested, dict) else {}):
        if found := session_id_of(holder.get("session_id")):
            return found
    return None


def _duration(milliseconds: Json) -> timedelta | None:
    if type(milliseconds) is not int or not 0 <= milliseconds <= _MAX_DURATION // _MILLISECOND:
        return None
    return milliseconds * _MILLISECOND

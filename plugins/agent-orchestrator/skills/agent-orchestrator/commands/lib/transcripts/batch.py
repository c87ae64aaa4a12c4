"""Lines that are appended to a transcript together."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from ..client.manager import Json


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Lines that are appended together, each one JSON text without a line break.

    A batch has all data to send it, any number of times: its id makes that harmless.
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
        """Name of the transcript's stream in the outbox."""
        return json.dumps(self.transcript)

    def halves(self) -> tuple[Batch, Batch]:
        """Return two batches with the lines of this batch. Their ids are always the same."""
        middle = len(self.lines) // 2
        first, second = self.lines[:middle], self.lines[middle:]
        return (
            replace(self, batch_id=f"{self.batch_id}.a", lines=first),
            replace(self, batch_id=f"{self.batch_id}.b", lines=second),
        )


def to_batch(fields: Json) -> Batch:
    """Return the batch that `asdict` turned into these fields, also by way of JSON."""
    return Batch(**{**fields, "lines": tuple(fields["lines"])})


def to_line(value: Any) -> str:
    """Return a value as one line of JSON that can be encoded; lone surrogates become escapes."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text

"""The memory of a parser of transcripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ...items import Title, TitleRank

Json = Any

MAX_OPEN_CALLS = 1000
MAX_SUMMARIES = 100


@dataclass
class Memory:
    """Values that later lines do not repeat."""

    session_id: str | None = None
    end_of_copy: int = -1
    """The offset of the last line that was copied from another session."""
    began_at: str | None = None
    """The time at which the first prompt of the session was queued, if its first lines tell it."""
    origin: str | None = None
    """The session that was forked."""
    last_copied: str | None = None
    """The newest event that was copied, with its id in the original; None after the copy."""
    project_dir: str | None = None
    version: str | None = None
    title: str = ""
    title_rank: int = TitleRank.PROMPT
    summaries: dict[str, str] = field(default_factory=dict)
    """Summaries of conversations, by their last line. Only lines of this file count."""
    last_line: str | None = None
    model: str | None = None
    has_searches: bool = False
    """True if the usage of the newest answer includes web searches."""
    open_calls: dict[str, str] = field(default_factory=dict)
    """The tool of each call without a result."""

    @classmethod
    def of_state(cls, state: Mapping[str, Json]) -> Memory:
        return cls(**state)

    @property
    def state(self) -> dict[str, Json]:
        return asdict(self)

    def note_call(self, tool_use_id: str, name: str) -> None:
        self.open_calls[tool_use_id] = name
        while len(self.open_calls) > MAX_OPEN_CALLS:
            del self.open_calls[next(iter(self.open_calls))]

    def note_summary(self, last_line: str, title: str) -> None:
        self.summaries[last_line] = title
        while len(self.summaries) > MAX_SUMMARIES:
            del self.summaries[next(iter(self.summaries))]

    def retitle(self, rank: TitleRank, title: str) -> Title | None:
        """Return the title if it replaces the present one."""
        is_same = (rank, title) == (self.title_rank, self.title)
        if is_same or (self.title and rank < self.title_rank):
            return None
        self.title_rank, self.title = int(rank), title
        return Title(rank, title)

"""The format of Codex's rollouts: where they are, and what their evidence is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

from ...format import About, OpenSession, Source, TranscriptPart
from ..files import is_inside
from .memory import Memory
from .parser import CodexParser
from .thread_names import thread_name
from .writer_locks import DIRECTORY, open_sessions

_NAME = re.compile(
    r"rollout-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-(?P<thread>[0-9a-f-]{36})"
    r"(?:_(?P<segment>[0-9a-f-]{36}))?\.jsonl"
)
"""Name of a rollout. A thread continues in another one after it was taken back to a turn."""
COMPRESSED = ".zst"
ORIGINATOR = "agent_orchestrator"
"""The name of our executor in the first record of a thread that it has begun."""
_DRIVEN = re.compile(rb'"originator": ?"' + ORIGINATOR.encode() + rb'"')


class CodexFormat:
    """Rollouts of Codex: one JSON record on each line, one thread in each file."""

    name = "codex"
    version = 2
    about = About(
        agent="Codex",
        places="`sessions` and `archived_sessions` in `${CODEX_HOME:-~/.codex}`; names in "
        "`session_index.jsonl`",
        evidence="samples",
        newest="0.163.0",
        checked="2026-11-27",
        limits="Instructions of the role `developer` are left out. Files without the envelope "
        "`{timestamp, type, payload}` are not read. A fork without turn ids has no usage.",
    )

    def roots(self, home: Path, environ: Mapping[str, str]) -> list[Path]:
        """Return the directories of active and of archived threads."""
        own = Path(environ.get("CODEX_HOME") or home / ".codex")
        return [own / "sessions", own / "archived_sessions"]

    def find(self, root: Path) -> Iterator[Source]:
        """Yield the rollouts; of a rollout and its compressed copy only the rollout."""
        for directory, _, names in os.walk(root):
            for name in sorted(names):
                if source := self.source_at(Path(directory, name), root):
                    yield source

    def source_at(self, path: Path, root: Path) -> Source | None:
        plain = path.name.removesuffix(COMPRESSED)
        if not _NAME.fullmatch(plain) or not is_inside(path, root):
            return None
        is_copy = path.name != plain and path.with_name(plain).exists()
        return None if is_copy else Source(path=path, root=root)

    def transcript_of(self, source: Source) -> TranscriptPart | None:
        """Return the thread of a rollout. A recorded run of it belongs to another session."""
        match = _NAME.fullmatch(source.path.name.removesuffix(COMPRESSED))
        return TranscriptPart(match["thread"], is_kept=False) if match else None

    def is_driven(self, lines: Sequence[bytes]) -> bool:
        """Return whether our executor has begun the thread of these lines."""
        return any(_DRIVEN.search(line) for line in lines)

    def open_sessions(self, root: Path) -> Iterator[OpenSession]:
        return open_sessions(root.parent / DIRECTORY)

    def parser(self, source: Source, state: Mapping[str, Any] | None) -> CodexParser:
        """Return a parser. The file's name has the thread's id, if the first line is broken."""
        match = _NAME.fullmatch(source.path.name.removesuffix(COMPRESSED))
        memory = Memory() if state is None else Memory(**deepcopy(dict(state)))
        thread, segment = (match["thread"], match["segment"]) if match else (None, None)
        name_of = partial(thread_name, source.root)
        return CodexParser(memory, name_id=thread, segment=segment, name_of=name_of)


FORMAT = CodexFormat()

"""The places of Claude Code's transcripts, and the parser of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...format import About, LineParser, OpenSession, Source, TranscriptPart
from ...items import BrokenRecordError
from ..fields import MAX_ID_CHARS, fields_of, parse_json, text_of
from ..files import is_inside
from .copies import end_of_copy
from .memory import Memory
from .parser import Lane, Parser
from .persisted import PersistedOutputs
from .registry import DIRECTORY, open_sessions

Json = Any

_MAIN_DEPTH = 2
"""Parts of the path of a main transcript below its root: the project's key and the file."""
_MAX_META_BYTES = 64 * 1024
_SESSION = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SUBAGENT = "agent-"
_DRIVEN = re.compile(rb'"entrypoint": ?"sdk-py"')


class ClaudeFormat:
    """Transcripts: a file for each session and subagent, a line for each block of a message."""

    name = "claude"
    version = 1
    about = About(
        agent="Claude Code",
        places="`*/SESSION.jsonl`, `*/SESSION/subagents/**/agent-*.jsonl` and `*/agent-*.jsonl` in "
        "`${CLAUDE_CONFIG_DIR:-~/.claude}/projects` and `~/.config/claude/projects`",
        evidence="samples",
        newest="2.1.330",
        checked="2026-11-27",
        limits="A fork that an older version made without a mark begins with events of its own "
        "and not with inherited ones; its requests count once all the same. Notes of Claude Code "
        "to the model are left out, and the usage of requests that no transcript has, such as "
        "those for titles and compactions.",
    )

    def roots(self, home: Path, environ: Mapping[str, str]) -> list[Path]:
        given = environ.get("CLAUDE_CONFIG_DIR")
        own = Path(given) if given else home / ".claude"
        return [own / "projects", home / ".config" / "claude" / "projects"]

    def find(self, root: Path) -> Iterator[Source]:
        for pattern in ("*/*.jsonl", "*/*/subagents/**/*.jsonl"):
            for path in root.glob(pattern):
                if source := self.source_at(path, root):
                    yield source

    def source_at(self, path: Path, root: Path) -> Source | None:
        is_one = path.suffix == ".jsonl" and _is_transcript(path, root) and is_inside(path, root)
        return Source(path=path, root=root) if is_one else None

    def transcript_of(self, source: Source) -> TranscriptPart | None:
        """Return the transcript that the lines of a source belong to.

        None: only the lines name the session.
        """
        _, *inner = source.path.relative_to(source.root).parts
        if len(inner) == 1:
            is_subagent = source.path.name.startswith(_SUBAGENT)
            return None if is_subagent else TranscriptPart(source.path.stem)
        found = _metadata_of(source)
        return TranscriptPart(
            session_id=inner[0],
            subpath="/".join((*inner[1:-1], source.path.stem)),
            metadata={**found, "type": "agent_metadata"} if found else None,
        )

    def open_sessions(self, root: Path) -> Iterator[OpenSession]:
        return open_sessions(root.parent / DIRECTORY)

    def is_driven(self, lines: Sequence[bytes]) -> bool:
        """Return whether a program drives the session of these lines, as a supervisor does."""
        return any(_DRIVEN.search(line) for line in lines)

    def parser(self, source: Source, state: Mapping[str, Json] | None) -> LineParser:
        parts = source.path.relative_to(source.root).parts
        outputs = PersistedOutputs(source.root, parts[0])
        is_subagent = source.path.name.startswith(_SUBAGENT)
        lane = _lane_of(source) if is_subagent else None
        if state is not None:
            memory = Memory.of_state(state)
            if memory.last_line is None and lane is None:
                # Claude Code writes the copied lines of a fork some time after its first lines.
                memory.end_of_copy = end_of_copy(source.path, source.path.stem)
            return Parser(memory, outputs, lane=lane)
        if is_subagent:
            session_id = parts[1] if len(parts) > _MAIN_DEPTH else None
            return Parser(Memory(session_id=session_id), outputs, lane=lane)
        session_id = source.path.stem
        copied = end_of_copy(source.path, session_id)
        return Parser(Memory(session_id=session_id, end_of_copy=copied), outputs)


def _is_transcript(path: Path, root: Path) -> bool:
    """Return whether a file has the name of a transcript of a session or of a subagent.

    In older versions, the transcripts of subagents are next to those of the sessions.
    """
    _, *inner = path.relative_to(root).parts
    match inner:
        case [_]:
            return bool(_SESSION.fullmatch(path.stem)) or path.name.startswith(_SUBAGENT)
        case [session_id, "subagents", *_, name]:
            return bool(_SESSION.fullmatch(session_id)) and name.startswith(_SUBAGENT)
    return False


def _lane_of(source: Source) -> Lane:
    """Return the lane of a subagent: the call that started it, as the file beside it names it."""
    agent_id = source.path.stem.removeprefix(_SUBAGENT)[:MAX_ID_CHARS]
    found = _metadata_of(source)
    tool_use_id = text_of(found.get("toolUseId"))
    return Lane(agent_id, tool_use_id if tool_use_id and len(tool_use_id) <= MAX_ID_CHARS else None)


def _metadata_of(source: Source) -> Mapping[str, Json]:
    """Return the data in the file beside a subagent's transcript; nothing if it is unreadable."""
    meta = source.path.with_name(f"{source.path.stem}.meta.json")
    try:
        if not is_inside(meta, source.root):
            return {}
        with meta.open("rb") as file:
            return fields_of(parse_json(file.read(_MAX_META_BYTES)))
    except (OSError, BrokenRecordError):
        return {}


FORMAT = ClaudeFormat()

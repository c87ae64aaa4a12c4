"""The places of Claude Code's transcripts, and the parser of each."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...format import About, LineParser, Source, TranscriptPart
from ..fields import fields_of, parse_json, session_id_of, text_of
from ..files import is_inside
from .parser import Lane, Parser
from .persisted import PersistedOutputs

Json = Any

SUBAGENTS = "subagents"
_MAIN_DEPTH = 2
"""Parts of the path of a main transcript below its root: the project's key and the file."""
_MAX_META_BYTES = 64 * 1024
_COPIED = b'"requestSessionId"'
_ID = re.compile(rb'\s*:\s*"([^"\\]{1,128})"')


class ClaudeFormat:
    name = "claude"
    version = 1
    about = About(
        agent="Claude Code",
        places="`${CLAUDE_CONFIG_DIR:-~/.claude}/projects` and `~/.config/claude/projects`: "
        "`KEY/SESSION.jsonl`, `KEY/SESSION/subagents/**/agent-ID.jsonl`",
        evidence="samples",
        newest="2.1.330",
        checked="2026-11-27",
        limits="A fork that an older version made without a mark counts as a session of its own.",
    )

    def roots(self, home: Path, environ: Mapping[str, str]) -> list[Path]:
        given = environ.get("CLAUDE_CONFIG_DIR")
        own = Path(given) if given else home / ".claude"
        return [own / "projects", home / ".config" / "claude" / "projects"]

    def find(self, root: Path) -> Iterator[Source]:
        for path in root.glob("*/*.jsonl"):
            if is_inside(path, root):
                yield Source(path=path, root=root)
        for path in root.glob(f"*/*/{SUBAGENTS}/**/agent-*.jsonl"):
            if is_inside(path, root):
                yield Source(path=path, root=root)

    def transcript_of(self, source: Source) -> TranscriptPart:
        """Return the transcript that the lines of a source belong to."""
        _, *inner = source.path.relative_to(source.root).parts
        if len(inner) == 1:
            return TranscriptPart(source.path.stem)
        found = _metadata_of(source.path)
        return TranscriptPart(
            session_id=inner[0],
            subpath="/".join((*inner[1:-1], source.path.stem)),
            metadata={**found, "type": "agent_metadata"} if found else None,
        )

    def parser(self, source: Source, state: Mapping[str, Json] | None) -> LineParser:
        parts = source.path.relative_to(source.root).parts
        session_id = parts[1] if len(parts) > _MAIN_DEPTH else source.path.stem
        outputs = PersistedOutputs(source.root.joinpath(*parts[:1], session_id))
        if len(parts) > _MAIN_DEPTH:
            return Parser(session_id, outputs, state, lane=_lane_of(source.path))
        end = None if state else _end_of_copy(source.path, session_id)
        return Parser(session_id, outputs, state, end_of_copy=end)


def _lane_of(path: Path) -> Lane:
    """Return the lane of a subagent: the call that started it, as the file beside it names it."""
    agent_id = path.stem.removeprefix("agent-")
    return Lane(agent_id, text_of(_metadata_of(path).get("toolUseId")))


def _metadata_of(path: Path) -> Mapping[str, Json]:
    """Return the data in the file beside a subagent's transcript; nothing if it is unreadable."""
    try:
        with path.with_name(f"{path.stem}.meta.json").open("rb") as file:
            return fields_of(parse_json(file.read(_MAX_META_BYTES)))
    except (OSError, ValueError):
        return {}


def _end_of_copy(path: Path, session_id: str) -> int:
    """Return the offset of the last line that was copied from another session; -1 without one.

    A fork begins with the lines of its original. Only the model's lines in it are marked, with the
    session that made the request. Inside of a text, the quotes of a mark are escaped.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            end = len(whole)
            while (at := whole.rfind(_COPIED, 0, end)) >= 0:
                found = _ID.match(whole, at + len(_COPIED))
                origin = session_id_of(found[1].decode(errors="replace")) if found else None
                if origin is not None and origin != session_id:
                    return whole.rfind(b"\n", 0, at) + 1
                end = at
    except (OSError, ValueError):  # an empty file cannot be mapped
        return -1
    return -1


FORMAT = ClaudeFormat()

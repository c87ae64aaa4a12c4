"""The format of the earlier Agent Orchestrator: `NAME.jsonl` with `NAME.meta.json` next to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ...format import About, Source
from ...items import BrokenRecordError, Item, SessionFacts, Title, TitleRank
from ..fields import (
    Fields,
    as_record,
    optional_session_id,
    optional_text,
    parse_json,
    prompt_line,
    text_of,
)
from ..files import is_inside
from . import lines
from .outline import read_outline, session_id
from .runs import Runs

LINES, META = ".jsonl", ".meta.json"
META_BYTES_LIMIT = 1 << 20
_SESSIONS = ".agent-orchestrator/agent-sessions"


class PredecessorFormat:
    """One file of messages for each session. It is read as a whole, to estimate missing times."""

    name = "predecessor"
    version = 1
    copies = "claude"
    """The format that has the same sessions with more details."""
    about = About(
        agent="Agent Orchestrator, earlier versions",
        places=f"`{_SESSIONS}` in a project, and `$AGENT_ORCHESTRATOR_SESSIONS_DIR`",
        evidence="source",
        newest="schema 1.0",
        checked="2026-11-27",
        limits="Only prompts have a time; other times are estimated. If the same session is in the "
        "files of Claude Code, only its name is taken from here. The usage of a run counts as one "
        "request.",
    )

    def roots(self, home: Path, environ: Mapping[str, str]) -> list[Path]:
        """Return the directories of the variables, and that of the working directory."""
        found = []
        if directory := environ.get("AGENT_ORCHESTRATOR_SESSIONS_DIR"):
            found.append(Path(directory))
        if project := environ.get("AGENT_ORCHESTRATOR_PROJECT_DIR"):
            found.append(Path(project) / _SESSIONS)
        else:
            with suppress(OSError):
                found.append(Path.cwd() / _SESSIONS)
        return found

    def find(self, root: Path) -> Iterator[Source]:
        """Yield the sessions. The stamp changes with either of their two files."""
        try:
            paths = sorted(root.glob(f"*{LINES}"))
        except OSError:
            return
        for path in paths:
            pair = (path, _meta_path(path))
            with suppress(OSError):
                if all(is_inside(file, root) for file in pair):
                    stats = [file.stat() for file in pair]
                    stamp = ":".join(f"{stat.st_size}:{stat.st_mtime_ns}" for stat in stats)
                    yield Source(path=path, root=root, stamp=stamp)

    def read(self, source: Source) -> Iterator[Item]:
        """Yield the items of a session."""
        meta = _read_meta(_meta_path(source.path))
        name = optional_text(meta, "session_name") or source.path.name.removesuffix(LINES)
        with source.path.open("rb") as file:
            outline = read_outline(file, created_at=meta.get("created_at"))
            if outline.lines and not outline.known_lines:
                raise BrokenRecordError("no line is a message")
            found = optional_session_id(meta, "session_id") or outline.session_id
            runs = Runs(found or session_id(name, meta), outline)
            yield SessionFacts(
                session_id=runs.session_id,
                project_dir=optional_text(meta, "project_dir"),
                title=Title(TitleRank.CHOSEN, prompt_line(name)),
                agent_name=text_of(meta.get("agent")),
            )
            file.seek(0)
            for line in lines.read(file, outline.size):
                yield from runs.read(line)


def _meta_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(LINES) + META)


def _read_meta(path: Path) -> Fields:
    with path.open("rb") as file:
        content = file.read(META_BYTES_LIMIT + 1)
    if len(content) > META_BYTES_LIMIT:
        raise BrokenRecordError(f"{META} has more than {META_BYTES_LIMIT} bytes")
    return as_record(parse_json(content), META)


FORMAT = PredecessorFormat()

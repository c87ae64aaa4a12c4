"""Restores the missing parts of Claude Code's transcripts on this machine.

The parts are written where the user's own Claude Code keeps its transcripts, under the key of the
local project directory. The CLI then resumes as usual, with the user's agents, skills and login. A
plain `claude --resume` sees the same conversation.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..client.manager import Json, ManagerClient
from ..machine.environment import claude_dir
from ..session_client import SessionNotFoundError
from ..shared.private_files import make_directories
from ..transcripts.names import CONVERSATIONS, PROJECT_KEY, conversation_subpath
from .sdk import import_sdk

if TYPE_CHECKING:
    pass


logger = logging.getLogger(__name__)

_METADATA = "agent_metadata"


def restore(
    manager: ManagerClient,
    session_id: str,
    *,
    conversation_id: str | None = None,
    environment: Mapping[str, str],
    here: Path,
) -> int:
    """Write the missing lines of a session's transcripts here, and return their number.

    `conversation_id` selects one of several conversations. The default is the first, which has the
    session's own id. `environment` is the agent's; it determines the directory of the transcripts.
    New transcripts go under the key of the project directory `here`. A transcript that exists under
    another key is extended in its place.

    Raises:
        SessionClientError: a request to the manager failed.
        OSError: the transcript cannot be written.
    """
    import_sdk()
    from claude_agent_sdk import project_key_for_directory

    projects = claude_dir(environment) / "projects"
    name = conversation_id or session_id
    found = next(iter(sorted(projects.glob(f"*/{name}.jsonl"))), None)
    main = found or projects / project_key_for_directory(here) / f"{name}.jsonl"
    where = {"project_key": PROJECT_KEY, "session_id": session_id}
    own = conversation_subpath(conversation_id) if conversation_id else None
    try:
        written = _complete(main, _entries(manager, {**where, "subpath": own} if own else where))
    except SessionNotFoundError:
        return 0
    for transcript in manager.list_transcripts({**where, "main": "false"}):
        subpath = transcript["subpath"]
        if own is None and subpath.startswith(f"{CONVERSATIONS}/"):
            continue
        if own is not None:
            if not subpath.startswith(f"{own}/"):
                continue
            subpath = subpath[len(own) + 1 :]
        path = _below(main.with_suffix(""), subpath)
        if path is None:
            logger.warning("ignored an unsafe subpath: %r", transcript["subpath"])
            continue
        entries = list(_entries(manager, {**where, "subpath": transcript["subpath"]}))
        written += _complete(path, (entry for entry in entries if entry.get("type") != _METADATA))
        _write_metadata(path, entries)
    return written


def _entries(manager: ManagerClient, transcript: dict[str, str]) -> Iterable[Json]:
    return (entry for page in manager.iterate_entries(transcript) for entry in page)


def _complete(path: Path, entries: Iterable[Json]) -> int:
    """Append the missing entries to a file, or create it. Return the number of lines."""
    if not path.exists():
        lines = [_line(entry) for entry in entries]
        _write_whole(path, "".join(lines))
        return len(lines)
    known = _known_ids(path)
    # A line without an id is temporary, for example a queue entry, and is not restored.
    missing = [_line(entry) for entry in entries if entry.get("uuid", None) not in known]
    if missing:
        with path.open("a", encoding="utf-8") as file:
            file.write("" if _ends_its_line(path) else "\n")
            file.write("".join(missing))
            file.flush()
            os.fsync(file.fileno())
    return len(missing)


def _ends_its_line(path: Path) -> bool:
    """Return whether a file is empty or ends with a line break. A killed process may cut a line."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read(1) in (b"", b"\n")


def _known_ids(path: Path) -> set[str | None]:
    known: set[str | None] = {None}
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:  # half a line from a killed process
                continue
            if isinstance(entry, dict) and isinstance(entry.get("uuid"), str):
                known.add(entry["uuid"])
    return known


def _write_whole(path: Path, text: str) -> None:
    """Write a file for its owner only, completely or not at all."""
    make_directories(path.parent)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".restore-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _write_metadata(path: Path, entries: list[Json]) -> None:
    """Write a subagent's metadata next to its transcript. The last entry counts."""
    found = [entry for entry in entries if entry.get("type") == _METADATA]
    if found:
        fields: dict[str, Any] = {key: value for key, value in found[-1].items() if key != "type"}
        _write_whole(path.with_suffix(".meta.json"), json.dumps(fields))


def _below(directory: Path, subpath: str | None) -> Path | None:
    """Return the file of a subpath, or None if it would be outside of the directory."""
    parts = PurePosixPath(subpath or "").parts
    if not parts or any(part in ("..", "/", ".") or "\0" in part for part in parts):
        return None
    return directory.joinpath(*parts[:-1], parts[-1] + ".jsonl")


def _line(entry: Json) -> str:
    return json.dumps(entry, separators=(",", ":")) + "\n"

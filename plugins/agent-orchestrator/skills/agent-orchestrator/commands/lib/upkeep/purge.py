"""What lies on this machine of a session: what its runs made here, found and removed.

Ids and names come from the manager, where others choose them. So nothing is removed because of an
id alone: a run counts if this person sealed it, and of Claude Code's files only those count that
such a run of Claude Code made, under the key of its own directory. Nothing that a supervisor holds
is touched: its events are still on their way.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from ..machine.environment import outbox_dir
from ..runs.registry import registry_dir
from ..shared.private_files import open_to_read

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_MAX_KEY_CHARS = 200
"""Claude Code cuts a longer key, and puts a digest after it."""


def purge(
    session_id: str,
    runs: Sequence[dict[str, Any]],
    conversation_ids: Sequence[str] = (),
    *,
    state_dir: Path,
    claude_dir: Path,
) -> list[Path]:
    """Remove what is left here of a session that is deleted; return what was removed.

    `runs` are those of the session that this person sealed, `conversation_ids` the conversations
    that their agents began, beside the one that has the session's id. Removed are: events of theirs
    that wait or were refused, entries of their dead supervisors, and Claude Code's own transcripts
    with those of its subagents.
    """
    removed = []
    numbers = {run["run"] for run in runs}
    for lock in _of(outbox_dir(state_dir), session_id, numbers, ".lock"):
        files = [lock.with_suffix(suffix) for suffix in (".db", ".db-wal", ".db-shm")]
        removed += _remove_unheld(lock, files)
    for entry in _of(registry_dir(state_dir), session_id, numbers, ".json"):
        removed += _remove_unheld(entry, [])
    of_claude = [run["spec"]["project_dir"] for run in runs if run["spec"]["executor"] == "claude"]
    if not _UUID.fullmatch(session_id):
        return removed
    directories = _directories(claude_dir / "projects", of_claude)
    for directory, name in product(directories, (session_id, *conversation_ids)):
        transcript = directory / f"{name}.jsonl"
        if not transcript.is_file() or transcript.is_symlink():
            continue
        transcript.unlink(missing_ok=True)
        removed.append(transcript)
        subagents = directory / name
        if subagents.is_dir() and not subagents.is_symlink():
            shutil.rmtree(subagents)
            removed.append(subagents)
    return removed


def _directories(projects: Path, project_dirs: list[str]) -> list[Path]:
    """Where Claude Code keeps the transcripts of these projects."""
    keys = {
        re.sub(r"[^a-zA-Z0-9]", "-", unicodedata.normalize("NFC", os.path.realpath(directory)))
        for directory in project_dirs
    }
    cut = tuple(f"{key[:_MAX_KEY_CHARS]}-" for key in keys if len(key) > _MAX_KEY_CHARS)
    found = sorted(projects.iterdir()) if projects.is_dir() else []
    return [
        path
        for path in found
        if path.name in keys or (len(path.name) > _MAX_KEY_CHARS and path.name.startswith(cut))
    ]


def _of(directory: Path, session_id: str, runs: set[int], suffix: str) -> Iterator[Path]:
    """The files of the session's runs that are there."""
    for run in sorted(runs):
        path = directory / f"{session_id}.{run}{suffix}"
        if path.exists():
            yield path


def _remove_unheld(locked: Path, beside: list[Path]) -> list[Path]:
    """Remove a file that nobody has locked, last, and before it those beside it."""
    try:
        descriptor = open_to_read(locked)
    except OSError:  # it is gone, or not a file of ours
        return []
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return []
    else:
        there = [path for path in (*beside, locked) if path.exists()]
        for path in there:
            path.unlink()
        return there
    finally:
        os.close(descriptor)

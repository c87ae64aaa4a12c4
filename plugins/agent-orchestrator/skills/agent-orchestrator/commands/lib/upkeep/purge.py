"""Removing the files that the runs of a deleted session made on this machine.

Ids and names come from the manager, where others can choose them. So an id alone is no reason to
remove a file. A run counts only if this person sealed it. A file of Claude Code counts only if a
sealed run of Claude Code made it, under the key of the run's directory. Files that a supervisor
holds stay, because their events are not delivered yet.
"""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from ..executors.base import ExecutorError
from ..machine.environment import outbox_dir
from ..runs.executor_table import find_executor
from ..runs.registry import registry_dir
from ..shared.locks import take_lock
from ..shared.private_files import open_to_read

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_MAX_KEY_CHARS = 200
"""Claude Code cuts a longer key and appends a digest."""


def purge(
    session_id: str,
    runs: Sequence[dict[str, Any]],
    conversation_ids: Sequence[str] = (),
    *,
    state_dir: Path,
    claude_dir: Path,
) -> list[Path]:
    """Remove the files of a deleted session from this machine; return the removed paths.

    `runs` are the session's runs that this person sealed. `conversation_ids` are conversations that
    their agents began, in addition to the conversation with the session's id.

    Removed are the waiting and refused events of these runs, the entries of their dead supervisors,
    and Claude Code's own transcripts, subagents included.
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


def forget_conversations(
    runs: Sequence[dict[str, Any]], conversation_ids: Sequence[str]
) -> tuple[list[Path], list[str]]:
    """Delete the conversations of a deleted session from its agents, with their own programs.

    `runs` and `conversation_ids` are those of `purge`. Return the removed files, and a
    sentence about each record that is left. The files of Claude Code are a matter of `purge`.
    """
    removed, left = [], []
    for name in sorted({run["spec"]["executor"] for run in runs}):
        try:
            kind = find_executor(name)
            if kind.forget is not None:
                for conversation_id in conversation_ids:
                    removed += kind.forget(conversation_id)
            elif kind.names_conversations and conversation_ids:
                left.append(
                    f"{kind.agent} keeps its own record of the conversation: delete it there"
                )
        except ExecutorError as exc:
            left.append(f"the record of {name} was not deleted: {exc}")
    return removed, left


def _directories(projects: Path, project_dirs: list[str]) -> list[Path]:
    """Return the directories where Claude Code keeps the transcripts of these projects."""
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
    """Yield the existing files of the session's runs."""
    for run in sorted(runs):
        path = directory / f"{session_id}.{run}{suffix}"
        if path.exists():
            yield path


def _remove_unheld(locked: Path, beside: list[Path]) -> list[Path]:
    """Remove the files `beside`, then `locked`, unless another process has locked it."""
    try:
        descriptor = open_to_read(locked)
    except OSError:  # it does not exist, or is not our file
        return []
    try:
        if not take_lock(descriptor):
            return []
        there = [path for path in (*beside, locked) if path.exists()]
        for path in there:
            path.unlink()
        return there
    finally:
        os.close(descriptor)

"""What lies on this machine of a session, found by its id and removed.

Nothing that a supervisor holds is touched: its events are still on their way.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .environment import outbox_dir
from .registry import registry_dir


def purge(session_id: str, *, state_dir: Path, claude_dir: Path) -> list[Path]:
    """Remove what is left here of a session that is deleted; return what was removed.

    That is: events that wait or were refused, entries of dead supervisors, and Claude Code's own
    transcripts with those of its subagents.
    """
    removed = []
    for lock in _of(outbox_dir(state_dir), session_id, ".lock"):
        files = [lock.with_suffix(suffix) for suffix in (".db", ".db-wal", ".db-shm")]
        removed += _remove_unheld(lock, files)
    for entry in _of(registry_dir(state_dir), session_id, ".json"):
        removed += _remove_unheld(entry, [])
    for transcript in sorted(claude_dir.glob(f"projects/*/{session_id}.jsonl")):
        transcript.unlink(missing_ok=True)
        removed.append(transcript)
    for directory in sorted(claude_dir.glob(f"projects/*/{session_id}")):
        if directory.is_dir() and not directory.is_symlink():
            shutil.rmtree(directory)
            removed.append(directory)
    return removed


def _of(directory: Path, session_id: str, suffix: str) -> Iterator[Path]:
    """The files of the session's runs: `ID.RUN`, where an id may have dots itself."""
    for path in sorted(directory.glob(f"{session_id}.*{suffix}")) if directory.is_dir() else []:
        if path.name[len(session_id) + 1 : -len(suffix)].isdigit():
            yield path


def _remove_unheld(locked: Path, beside: list[Path]) -> list[Path]:
    """Remove a file that nobody has locked, last, and before it those beside it."""
    try:
        descriptor = os.open(locked, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
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

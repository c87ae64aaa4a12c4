"""The locks of Codex: a thread is open as long as a process holds its lock."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from agent_orchestrator.history.format import OpenSession
from agent_orchestrator.history.formats.codex import FORMAT, writer_locks
from tests.support.codex_rollouts import THREAD
from tests.support.rows import each_row


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="this system lists no locks")
def test_thread_is_open_while_its_lock_is_held(own_home: Path) -> None:
    sessions = own_home / ".codex" / "sessions"

    def found() -> list[OpenSession]:
        return list(FORMAT.open_sessions(sessions))

    assert found() == []
    locks = own_home / ".codex" / "thread-writer-locks"
    locks.mkdir(parents=True)
    free = locks / f"{THREAD[:-1]}0.lock"
    free.touch()
    with (locks / f"{THREAD}.lock").open("w") as held, (locks / "x y.lock").open("w") as odd:
        for file in (held, odd):
            fcntl.flock(file, fcntl.LOCK_EX)
        assert found() == [OpenSession(THREAD, f"codex, pid {os.getpid()}", is_idle=False)]
        with free.open("w") as other:  # looking at a lock does not take it
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert found() == []


@each_row(
    ("line", "is_open"),
    [
        ("1: FLOCK  ADVISORY  WRITE {pid} {file} 0 EOF", True),
        ("1: FLOCK  ADVISORY  READ  {pid} {file} 0 EOF", False),
        ("1: -> FLOCK  ADVISORY  WRITE {pid} {file} 0 EOF", False),
        ("1: FLOCK  ADVISORY  WRITE 0 {file} 0 EOF", False),
        ("1: FLOCK  ADVISORY  WRITE {pid} ff:ff:{inode} 0 EOF", False),
        ("1: OFDLCK ADVISORY  WRITE -1 {file} 0 EOF", False),
        ("1: FLOCK  ADVISORY  WRITE {pid} <none> 0 EOF", False),
        ("1: FLOCK  ADVISORY  WRITE ? {file} 0 EOF", False),
        ("1:", False),
        ("", False),
    ],
)
def test_only_a_lock_for_writing_counts(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, is_open: bool
) -> None:
    lock = own_home / ".codex" / "thread-writer-locks" / f"{THREAD}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    inode, device = lock.stat().st_ino, lock.stat().st_dev
    file = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    locks = tmp_path / "locks"
    locks.write_text(line.format(pid=7, file=file, inode=inode) + "\n")
    monkeypatch.setattr(writer_locks, "_LOCKS", locks)
    assert bool(list(FORMAT.open_sessions(own_home / ".codex" / "sessions"))) is is_open

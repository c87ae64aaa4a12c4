"""The locks of Codex: a thread is open as long as a process holds its lock."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent_orchestrator.history.format import OpenSession
from agent_orchestrator.history.formats.codex import FORMAT, writer_locks
from tests.support.codex_rollouts import THREAD
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS


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
    inode = lock.stat().st_ino
    file = f"{writer_locks._device_of(lock.parent)}:{inode}"
    locks = tmp_path / "locks"
    locks.write_text(line.format(pid=7, file=file, inode=inode) + "\n")
    monkeypatch.setattr(writer_locks, "_LOCKS", locks)
    assert bool(list(FORMAT.open_sessions(own_home / ".codex" / "sessions"))) is is_open


_OVERLAY = """
mount -t tmpfs tmpfs "$0" && mkdir "$0/upper" "$0/work" "$0/home" &&
mount -t overlay -o lowerdir=/etc,upperdir="$0/upper",workdir="$0/work" overlay "$0/home" &&
exec "$@"
"""
_LOCKED = """
import fcntl, pathlib, sys
from agent_orchestrator.history.formats.codex import FORMAT
home, thread = pathlib.Path(sys.argv[1]), sys.argv[2]
lock = home / "thread-writer-locks" / (thread + ".lock")
lock.parent.mkdir()
with lock.open("w") as held:
    fcntl.flock(held, fcntl.LOCK_EX)
    print([each.session_id for each in FORMAT.open_sessions(home / "sessions")])
"""


def test_thread_is_open_if_its_lock_names_another_device(tmp_path: Path) -> None:
    """As on Btrfs, and on the layers of some containers."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("this system has no namespaces")
    mounted = [unshare, "--map-root-user", "--mount", "sh", "-c", _OVERLAY, str(tmp_path)]
    if subprocess.run([*mounted, "true"], capture_output=True, timeout=WATCHDOG_SECONDS).returncode:
        pytest.skip("this machine permits no mounts")
    look = [sys.executable, "-c", _LOCKED, str(tmp_path / "home"), THREAD]
    found = subprocess.run(
        [*mounted, *look], capture_output=True, text=True, timeout=WATCHDOG_SECONDS
    )
    assert found.stdout == f"{[THREAD]}\n", found.stderr

"""The locks of Codex: a thread is open as long as a process holds its lock."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from agent_orchestrator.history.format import OpenSession
from agent_orchestrator.history.formats.codex import FORMAT
from tests.support.codex_rollouts import THREAD


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

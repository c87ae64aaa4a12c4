"""Locks of processes on open files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from agent_shared.locks import hold_alone, holder_of, is_locked, release, take_lock


def test_lock_is_taken_despite_a_look_of_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    path.touch(0o600)
    looking, taking = (os.open(path, os.O_RDWR) for _ in range(2))
    looks = [looking]
    assert not is_locked(looking)

    def end_the_look(_seconds: float) -> None:
        os.close(looks.pop())

    monkeypatch.setattr(time, "sleep", end_the_look)
    assert take_lock(taking)
    assert (looks, holder_of(path)) == ([], "")
    os.close(taking)


def test_lock_has_one_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = hold_alone(path)
    assert held is not None
    assert (holder_of(path), hold_alone(path)) == (str(os.getpid()), None)
    release(held)
    assert (holder_of(path), path.read_text()) == (None, "")

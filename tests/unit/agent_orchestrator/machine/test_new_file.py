"""Files that are complete or absent."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from agent_orchestrator.machine.new_file import new_file


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def test_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with new_file(path) as file:
        file.write(b"half")
        assert not path.exists()
        file.write(b", whole")
    assert path.read_bytes() == b"half, whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(tmp_path) == ["out"]


def test_file_is_private_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with new_file(tmp_path / "out") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_error_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), new_file(tmp_path / "out") as file:
        file.write(b"half")
        raise error
    assert names(tmp_path) == []


def test_error_keeps_the_replaced_file(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(ValueError), new_file(path, replace=True) as file:
        file.write(b"half")
        raise ValueError
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["out"])


def test_file_that_appears_during_the_export_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(FileExistsError) as raised, new_file(path) as file:
        file.write(b"ours")
        path.write_bytes(b"theirs")
    assert raised.value.filename == str(path)
    assert (path.read_bytes(), names(tmp_path)) == (b"theirs", ["out"])


def test_error_has_the_path_that_the_caller_knows(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "out"
    with pytest.raises(OSError) as raised, new_file(path):
        pass
    assert raised.value.filename == str(path)

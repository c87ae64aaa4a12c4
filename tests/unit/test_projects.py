from __future__ import annotations

from pathlib import Path

import pytest

from agent_orchestrator.projects import find_project


def directory(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def test_without_a_marker_a_directory_is_its_own_project(tmp_path: Path) -> None:
    assert find_project(directory(tmp_path / "a" / "b")) == tmp_path / "a" / "b"


@pytest.mark.parametrize("marker", [".git", ".agent-orchestrator"])
def test_the_nearest_marked_directory_upwards_is_the_project(tmp_path: Path, marker: str) -> None:
    directory(tmp_path / "outer" / marker)
    directory(tmp_path / "outer" / "inner" / marker)
    deep = directory(tmp_path / "outer" / "inner" / "src" / "deep")
    assert find_project(deep) == tmp_path / "outer" / "inner"
    assert find_project(tmp_path / "outer") == tmp_path / "outer"


def test_a_marker_can_be_a_file(tmp_path: Path) -> None:
    """As `.git` is in a worktree or a submodule."""
    inner = directory(tmp_path / "outer" / "inner")
    (inner / ".git").write_text("gitdir: elsewhere\n")
    assert find_project(inner) == inner


def test_a_path_through_a_symlink_is_the_same_project(tmp_path: Path) -> None:
    directory(tmp_path / "real" / ".git")
    directory(tmp_path / "real" / "src")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "src")
    assert find_project(tmp_path / "link") == tmp_path / "real"

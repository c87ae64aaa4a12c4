from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_orchestrator.machine.ownership import find_doubt
from agent_orchestrator.machine.projects import Project, find_project

OTHER_USER = 65534


def directory(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def git(*arguments: str, cwd: Path) -> str | None:
    """Run git with its default settings; return its output, or None if it fails."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, env=environment, capture_output=True, check=False
    )
    return done.stdout.decode().strip() if done.returncode == 0 else None


def repository(path: Path) -> Path:
    git("init", "--quiet", str(directory(path)), cwd=path.parent)
    assert (path / ".git" / "HEAD").exists()
    return path


def test_unmarked_directory_is_its_own_project(tmp_path: Path) -> None:
    start = directory(tmp_path / "a" / "b")
    assert find_project(start) == Project(directory=start)


def test_nearest_marked_directory_is_the_project(tmp_path: Path) -> None:
    outer = repository(tmp_path / "outer")
    directory(outer / "inner" / ".agent-orchestrator")
    deep = directory(outer / "inner" / "src" / "deep")
    assert find_project(deep).directory == outer / "inner"
    assert find_project(outer / "inner").directory == outer / "inner"
    assert find_project(directory(outer / "other")).directory == outer


def test_symlink_leads_to_the_same_project(tmp_path: Path) -> None:
    directory(repository(tmp_path / "real") / "src")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "src")
    assert find_project(tmp_path / "link").directory == tmp_path / "real"


def a_work_tree(root: Path) -> None:
    main = repository(root.with_name("main"))
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--allow-empty", "-mx", cwd=main)
    root.rmdir()
    git("worktree", "add", "--quiet", str(root), cwd=main)


def a_link_to_a_repository(root: Path) -> None:
    (root / ".git").symlink_to(repository(root.with_name("other")) / ".git")


def a_file_of(content: bytes) -> Callable[[Path], object]:
    return lambda root: (root / ".git").write_bytes(content)


def a_repository_but(change: Callable[[Path], object]) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        root.rmdir()
        change(repository(root) / ".git")

    return make


def a_head_that_is_a_link(git_dir: Path) -> None:
    (git_dir / "HEAD").unlink()
    (git_dir / "HEAD").symlink_to("refs/x/y")


def a_head_that_is_a_directory(git_dir: Path) -> None:
    (git_dir / "HEAD").unlink()
    (git_dir / "HEAD").mkdir()


def a_head_of(content: bytes) -> Callable[[Path], None]:
    return a_repository_but(lambda git_dir: (git_dir / "HEAD").write_bytes(content))


TREES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda root: None,
    "an empty .git": lambda root: (root / ".git").mkdir(),
    "a dangling link": lambda root: (root / ".git").symlink_to("nowhere"),
    "a link to itself": lambda root: (root / ".git").symlink_to(".git"),
    "a FIFO": lambda root: os.mkfifo(root / ".git"),
    "a repository": a_repository_but(lambda git_dir: None),
    "a repository without HEAD": a_repository_but(lambda git_dir: (git_dir / "HEAD").unlink()),
    "a repository without refs": a_repository_but(
        lambda git_dir: (git_dir / "refs").rename(git_dir / "no-refs")
    ),
    "a repository without objects": a_repository_but(
        lambda git_dir: (git_dir / "objects").rename(git_dir / "no-objects")
    ),
    "an empty HEAD": a_head_of(b""),
    "a HEAD of text": a_head_of(b"main\n"),
    "a HEAD of a commit": a_head_of(b"0123456789abcdef0123456789abcdef01234567\n"),
    "a HEAD outside refs": a_head_of(b"ref: elsewhere\n"),
    "a HEAD without a blank": a_head_of(b"ref:refs/heads/main\n"),
    "a HEAD that is a link": a_repository_but(a_head_that_is_a_link),
    "a HEAD that is a directory": a_repository_but(a_head_that_is_a_directory),
    "a work tree of another repository": a_work_tree,
    "a link to a repository": a_link_to_a_repository,
    "an empty file": a_file_of(b""),
    "a file of text": a_file_of(b"hello\n"),
    "a file that names nothing": a_file_of(b"gitdir: nowhere\n"),
    "a file of NUL": a_file_of(b"gitdir: \0\n"),
    "a file that is not UTF-8": a_file_of(b"gitdir: \xff\n"),
}


def test_repository_detection_agrees_with_git(tmp_path: Path) -> None:
    """Compares with git itself. If git fails because of a broken file, there is no repository."""
    wrong = {}
    for number, (what, make) in enumerate(TREES.items()):
        base = directory(tmp_path / str(number))
        root = directory(base / "root")
        make(root)
        start = directory(root / "a" / "b")
        theirs = Path(git("rev-parse", "--show-toplevel", cwd=start) or start)
        if theirs != start and theirs != root:  # a repository around the test's directory
            theirs = start
        ours = find_project(start).directory
        if ours != theirs:
            wrong[what] = (ours, theirs)
    assert wrong == {}


def owned(path: Path, user: int = OTHER_USER, mode: int | None = None) -> None:
    os.chown(path, user, user, follow_symlinks=False)
    if mode is not None:
        path.chmod(mode)


def give_to_a_group(path: Path) -> None:
    os.chown(path, 0, OTHER_USER)
    path.chmod(0o775)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_marker_of_another_user_is_passed_over(tmp_path: Path) -> None:
    def own_marker(root: Path) -> Path:
        return directory(root / ".agent-orchestrator")

    def git_marker(root: Path) -> Path:
        root.rmdir()
        return repository(root) / ".git"

    changes: dict[str, Callable[[Path, Path], object]] = {
        "marker of another user": lambda root, marker: owned(marker),
        "directory of another user": lambda root, marker: owned(root),
        "marker that all can write": lambda root, marker: marker.chmod(0o777),
        "directory that all can write": lambda root, marker: root.chmod(0o1777),
        "directory of a group": lambda root, marker: give_to_a_group(root),
    }
    for number, (what, change) in enumerate(changes.items()):
        for name, mark in (("own", own_marker), ("git", git_marker)):
            root = directory(tmp_path / f"{number}-{name}" / "root")
            marker = mark(root)
            start = directory(root / "a" / "b")
            assert find_project(start).directory == root, (what, name)
            change(root, marker)
            found = find_project(start)
            assert found.directory == start, (what, name)
            assert found.passed_over is not None
            assert str(root) in found.passed_over
            assert find_project(root) == Project(directory=root), (what, name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_project_above_an_untrusted_project_is_found(tmp_path: Path) -> None:
    outer = repository(tmp_path / "outer")
    middle = directory(outer / "middle")
    owned(directory(middle / ".agent-orchestrator"))
    found = find_project(directory(middle / "deep"))
    assert found.directory == outer
    assert found.passed_over is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_doubt_names_the_owner_of_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = directory(tmp_path / "x")
    assert find_doubt(path) is None
    assert find_doubt(tmp_path / "nothing") is None
    path.chmod(0o775)  # as a umask of 002 makes it, in root's own group
    assert find_doubt(path) is None
    os.chown(path, 0, 12345)
    assert find_doubt(path) == "can be written by the group 12345"
    path.chmod(0o757)
    assert find_doubt(path) == "can be written by every user"
    owned(path, 12345, 0o755)
    assert find_doubt(path) == "belongs to user 12345"
    (tmp_path / "link").symlink_to(path)
    assert find_doubt(tmp_path / "link") == "belongs to user 12345"
    monkeypatch.setenv("SUDO_UID", "12345")
    assert find_doubt(path) is None
    owned(tmp_path / "link")
    assert find_doubt(tmp_path / "link") is not None

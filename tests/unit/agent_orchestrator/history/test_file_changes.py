"""Changes below directories, as the operating system reports them."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from agent_orchestrator.history.importer.changes import Changes, changes_below
from tests.support.waiting import wait_for


def not_told(why: str) -> None:
    raise AssertionError(why)


def until(changes: Iterator[Changes], path: Path, kind: str = "added") -> Changes:
    """Return the report that has a path, or the first one after a new start."""

    def look() -> Changes | None:
        found = next(changes)
        return found if path in getattr(found, kind) or found.is_beginning else None

    return wait_for(look, f"{path.name} is reported as {kind}")


def test_directories_are_followed_from_their_creation_on(tmp_path: Path) -> None:
    """They are given through a link, and are reported below it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    root = tmp_path / "link" / "projects"
    with closing(
        changes_below([root, tmp_path / "never"], polls=False, on_blind=not_told)
    ) as found:
        assert next(found).is_beginning
        root.mkdir()
        assert until(found, root).is_beginning
        (root / "a").write_text("1")
        assert root / "a" in until(found, root / "a").added
        with (root / "a").open("a") as file:
            file.write("2")
        assert not until(found, root / "a", "modified").is_beginning
        (root / "a").unlink()
        assert not until(found, root / "a", "deleted").is_beginning
        shutil.rmtree(root)
        root.mkdir()
        assert until(found, root / "b").is_beginning
        (root / "b").write_text("1")
        assert root / "b" in until(found, root / "b").added


@contextmanager
def no_more_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_failing_reports_are_replaced_by_looking(tmp_path: Path) -> None:
    import watchfiles  # noqa: F401  # it cannot be imported later

    told: list[str] = []
    with closing(changes_below([tmp_path], polls=False, on_blind=told.append)) as found:
        with no_more_files():
            first = next(found)
        assert (first.is_beginning, first.is_blind, len(told)) == (True, True, 1)
        assert next(found).is_blind


def test_polling_reports_nothing(tmp_path: Path) -> None:
    with closing(changes_below([tmp_path], polls=True, on_blind=not_told)) as found:
        assert next(found).is_blind
        (tmp_path / "a").write_text("1")
        assert next(found).added == frozenset()

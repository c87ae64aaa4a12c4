"""Outboxes that cannot be opened, are not there, or are not outboxes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent_orchestrator.outbox.files import list_outboxes
from agent_orchestrator.outbox.outbox import Outbox, OutboxError, peek
from tests.support.namespaces import on_required_disk
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS
from tests.unit.agent_orchestrator.outbox.filled_outbox import ROOT, RUN, command_to_fill, path_in


def refusal_of(make: Callable[[], object]) -> str:
    with pytest.raises(OutboxError) as caught:
        make()
    assert type(caught.value) is OutboxError
    return str(caught.value)


def test_directory_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    path = tmp_path / "state" / "outbox" / "s.db"
    said = refusal_of(lambda: Outbox(path, RUN))
    assert str(path) in said and "Not a directory" in said


def test_directory_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    directory = tmp_path / "outbox"
    directory.mkdir(mode=0o500)
    path = directory / "s.db"
    if os.geteuid() != 0:
        assert "Permission denied" in refusal_of(lambda: Outbox(path, RUN))
        return
    # Root may write everywhere, except on a read-only disk.
    on_disk = on_required_disk(directory, "ro", command_to_fill(path, 1))
    ran = subprocess.run(
        on_disk, cwd=ROOT, capture_output=True, text=True, timeout=WATCHDOG_SECONDS, check=False
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    last = ran.stderr.splitlines()[-1]
    assert last == (
        f"agent_orchestrator.outbox.outbox.OutboxError: cannot open the outbox {path}: "
        "Read-only file system"
    )


@each_row("name", ["s.3.db", "s.3.lock"])
def test_link_is_not_followed(tmp_path: Path, name: str) -> None:
    path = path_in(tmp_path)
    path.parent.mkdir(parents=True)
    theirs = tmp_path / "theirs"
    theirs.write_text("precious")
    (path.parent / name).symlink_to(theirs)
    for run in (RUN, None):
        refusal_of(lambda: Outbox(path, run))  # noqa: B023
    assert theirs.read_text() == "precious"


def test_opening_a_missing_outbox_does_not_create_it(path: Path) -> None:
    assert list_outboxes(path.parent) == []
    refusal_of(lambda: Outbox(path))
    path.parent.mkdir(parents=True)
    refusal_of(lambda: Outbox(path))
    assert list(path.parent.iterdir()) == []


def open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def test_file_that_is_not_an_outbox_is_reported_and_closed(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.with_suffix(".lock").touch(0o600)
    path.touch(0o600)
    before = open_files()
    path.write_bytes(b"not a database, and longer than its header would be" * 100)
    for _ in range(3):
        assert "not a database" in refusal_of(lambda: Outbox(path))
    path.write_bytes(b"")
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE run (something_else TEXT)")
    for _ in range(3):
        refusal_of(lambda: Outbox(path))
    assert open_files() == before


@each_row("with_database", [True, False])
def test_half_created_outbox_is_removed_when_opened(tmp_path: Path, with_database: bool) -> None:
    path = path_in(tmp_path)
    path.parent.mkdir(parents=True)
    path.with_suffix(".lock").touch(0o600)
    if with_database:
        path.touch(0o600)
    before = open_files()
    assert list_outboxes(path.parent) == [path]
    assert "has been removed" in refusal_of(lambda: Outbox(path))
    assert list(path.parent.iterdir()) == []
    assert open_files() == before


def test_counting_a_missing_outbox_fails_and_creates_nothing(path: Path) -> None:
    path.parent.mkdir(parents=True)
    assert str(path) in refusal_of(lambda: peek(path))
    assert list(path.parent.iterdir()) == []

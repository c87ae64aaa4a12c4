"""The memory of the importer on a disk that is full, or that denies the access."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.history.format import Format
from agent_orchestrator.history.formats.claude import FORMAT
from agent_orchestrator.history.formats.files import is_gone
from agent_orchestrator.history.importer.changes import look_at_directory
from agent_orchestrator.history.importer.importer import Importer
from agent_orchestrator.history.importer.sources.find import sources_of
from agent_orchestrator.history.importer.sources.report import Report
from agent_orchestrator.history.importer.sources.state import FILE, MemoryFailedError, open_state
from tests.support.transcript_files import Transcript


def test_full_disk_ends_an_import_and_names_the_memory(tmp_path: Path) -> None:
    """It is no problem of the source, which would be marked as one that failed."""
    for number in range(50):  # more than its first pages can hold
        transcript = Transcript(number)
        transcript.add("hologram")
        root = transcript.write(tmp_path).parents[1]
    sources = [(cast(Format, FORMAT), each) for each in sources_of(FORMAT, [root])]
    report = Report()
    with open_state(tmp_path / "state", "g") as state:
        state.connection.execute("PRAGMA max_page_count = 1")  # at least its present size
        importer = Importer(cast(ManagerClient, None), state, report, lambda _read: None)
        with pytest.raises(MemoryFailedError, match="is full") as caught:
            importer.run(sources)
    assert caught.value.filename == str(tmp_path / "state" / FILE)
    assert report.counts["failed"] == 0


def test_memory_is_kept_if_it_cannot_be_opened_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_state(tmp_path, "g"):
        pass
    before = (tmp_path / FILE).read_bytes()
    opened = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **options: opened(path, timeout=0))
    with closing(opened(tmp_path / FILE)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(MemoryFailedError, match="locked"), open_state(tmp_path, "g"):
            pass
    assert (tmp_path / FILE).read_bytes() == before


def test_path_that_is_not_visible_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_gone(tmp_path)
    assert is_gone(tmp_path / "missing")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    assert not is_gone(tmp_path / "missing")
    assert look_at_directory(tmp_path) is None

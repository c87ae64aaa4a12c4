"""Finding opencode's sessions: databases, files, stamps and databases that cannot be read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent_orchestrator.history.formats import read_only
from agent_orchestrator.history.formats.opencode import FORMAT
from agent_orchestrator.history.items import (
    BrokenRecord,
    BrokenRecordError,
    FoundEvent,
    ModelRequest,
    SessionFacts,
    Title,
    TitleRank,
    TurnEnd,
)
from tests.support.found_items import check_items, events_of, of_kind, texts_of
from tests.support.opencode_samples import (
    MAIN,
    NEW,
    OLD,
    SESSIONS,
    build,
    change,
    read,
    stamps,
    upgraded,
    write_files,
)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return build(tmp_path / "opencode.db", OLD)


def test_root_is_in_the_data_directory(tmp_path: Path) -> None:
    assert FORMAT.roots(tmp_path, {}) == [tmp_path / ".local/share/opencode"]
    assert FORMAT.roots(tmp_path, {"XDG_DATA_HOME": "/data"}) == [Path("/data/opencode")]


def test_session_in_several_places_is_found_once(tmp_path: Path) -> None:
    both = build(tmp_path / "opencode.db", OLD)
    build(tmp_path / "opencode-beta.db", NEW)
    write_files(tmp_path)
    sources = list(FORMAT.find(tmp_path))
    assert sorted(source.key for source in sources) == sorted({*SESSIONS, "ses_files"})
    places = {source.key: source.path.name for source in sources}
    assert places[MAIN] == "opencode-beta.db"
    assert places["ses_files"] == "ses_files.json"
    assert both.exists()


def test_tables_of_2x_win_over_those_beside_them(tmp_path: Path) -> None:
    path = build(tmp_path / "opencode.db", OLD, upgraded(NEW))
    change(path, "UPDATE part SET data = json_set(data, '$.text', 'old') WHERE data LIKE '%text%'")
    assert len(list(FORMAT.find(tmp_path))) == len(SESSIONS)
    items = read(path, MAIN)
    assert of_kind(items, SessionFacts)[0].agent_version == "2.0.14"
    assert "old" not in texts_of(items)


def test_session_that_2x_continued_keeps_its_beginning(tmp_path: Path) -> None:
    path = build(tmp_path / "opencode.db", OLD, upgraded(NEW))
    whole = of_kind(read(path, MAIN), FoundEvent)
    change(path, "DELETE FROM session_message WHERE session_id = ? AND seq < 8", MAIN)
    assert of_kind(read(path, MAIN), FoundEvent) == whole


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE session SET title = 'New', time_updated = time_updated + 1 WHERE id = ?",
        "UPDATE message SET time_updated = 1795999999999 WHERE session_id = ?",
        "DELETE FROM part WHERE rowid = (SELECT max(rowid) FROM part WHERE session_id = ?)",
        "INSERT INTO message SELECT 'msg_z', id, 1, 1, '{}' FROM session WHERE id = ?",
        "INSERT INTO session_message SELECT 'msg_z', id, 'idle', 0, 1, 1, '{}' FROM session"
        " WHERE id = ?",
    ],
)
def test_stamp_follows_changes_of_one_session(old: Path, statement: str) -> None:
    before = stamps(old.parent)
    assert stamps(old.parent) == before
    change(old, statement, MAIN)
    after = stamps(old.parent)
    assert {key for key in after if after[key] != before[key]} == {MAIN}


def test_reading_leaves_no_files(tmp_path: Path) -> None:
    path = build(tmp_path / "opencode.db", "PRAGMA journal_mode = WAL;", OLD)
    assert stamps(tmp_path).keys() == SESSIONS
    assert read(path, MAIN)
    assert [file.name for file in tmp_path.iterdir()] == ["opencode.db"]


def test_rows_in_the_wal_are_read(tmp_path: Path) -> None:
    path = build(tmp_path / "opencode.db", "PRAGMA journal_mode = WAL;", OLD)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("UPDATE session SET title = 'Later'")
        writer.commit()
        title = of_kind(read(path, MAIN), SessionFacts)[0].title
    assert title == Title(TitleRank.GENERATED, "Later")


def test_locked_database_is_an_error_after_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_only, "BUSY_SECONDS", 0.0)
    path = build(tmp_path / "opencode.db", OLD)
    build(tmp_path / "opencode-beta.db", NEW)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        sources = FORMAT.find(tmp_path)
        assert {next(sources).key for _ in SESSIONS} == SESSIONS
        with pytest.raises(OSError, match=r"opencode\.db") as raised:
            next(sources)
        assert raised.value.filename == str(path)
        with pytest.raises(OSError, match="locked"):
            read(path, MAIN)


@pytest.mark.parametrize("content", [b"", b"not a database" * 100])
def test_file_that_is_not_a_database_is_harmless(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "opencode.db").write_bytes(content)
    if content:
        with pytest.raises(OSError, match="not a database"):
            list(FORMAT.find(tmp_path))
    else:
        assert list(FORMAT.find(tmp_path)) == []
    with pytest.raises(OSError):
        read(tmp_path / "opencode.db", MAIN)


def test_missing_root_has_no_sessions(tmp_path: Path) -> None:
    assert list(FORMAT.find(tmp_path / "missing")) == []


def test_links_out_of_the_root_are_not_followed(tmp_path: Path) -> None:
    path = build(tmp_path / "elsewhere.db", OLD)
    root = tmp_path / "root"
    root.mkdir()
    (root / "opencode.db").symlink_to(path)
    assert list(FORMAT.find(root)) == []


def test_id_that_is_not_a_session_id_is_broken(old: Path) -> None:
    change(old, "UPDATE session SET id = '../x' WHERE id = ?", MAIN)
    (source,) = [source for source in FORMAT.find(old.parent) if source.key == "../x"]
    with pytest.raises(BrokenRecordError):
        list(FORMAT.read(source))


def test_files_of_1_1_are_read(tmp_path: Path) -> None:
    write_files(tmp_path)
    (source,) = FORMAT.find(tmp_path)
    items = list(FORMAT.read(source))
    check_items(items)
    assert texts_of(items) == ["List.", "One file."]
    assert [event["event_type"] for event in events_of(items)][1:3] == ["pre_tool", "post_tool"]
    (request,) = of_kind(items, ModelRequest)
    assert request.counts["cache_creation_tokens"] == 2
    assert request.cost_nanodollars == 500_000_000
    assert [end.reason for end in of_kind(items, TurnEnd)] == ["completed"]


def test_stamp_of_files_follows_new_messages(tmp_path: Path) -> None:
    write_files(tmp_path)
    before = stamps(tmp_path)
    assert stamps(tmp_path) == before
    (tmp_path / "storage/message/ses_files/msg_3.json").write_text("{")
    assert stamps(tmp_path) != before
    (source,) = FORMAT.find(tmp_path)
    places = [item.place for item in of_kind(FORMAT.read(source), BrokenRecord)]
    assert places == ["message msg_3"]

"""A schema is code: a file with a part that our migrations do not create is never used."""

from __future__ import annotations

import io
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent_session_manager.sql.care import readonly
from agent_session_manager.sql.care.backup import back_up
from agent_session_manager.sql.care.restore import restore
from agent_session_manager.sql.care.vacuum import vacuum
from agent_session_manager.sql.care.verify import verify
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.store import open_store
from agent_session_manager.sql.transfer.exporter import export
from agent_session_manager.sql.transfer.importer import import_export
from tests.store.promises.changes import append, create
from tests.store.promises.events import SOME
from tests.store.promises.stepped_clock import SteppedClock
from tests.support.endless_pages import make_endless
from tests.support.rows import each_row

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n"
PARTS = {
    "trigger": "CREATE TRIGGER t AFTER UPDATE ON sessions BEGIN DELETE FROM events; END",
    "trigger on insert": "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM events; END",
    "view": "CREATE VIEW v AS SELECT * FROM events",
    "view in the place of a table": f"DROP TABLE run_tokens; CREATE VIEW run_tokens AS {ENDLESS}",
    "view of versions": f"DROP TABLE alembic_version; CREATE VIEW alembic_version AS {ENDLESS}",
    "virtual table": "CREATE VIRTUAL TABLE x USING fts5(a)",
    "table": "CREATE TABLE loot (a)",
    "index": "CREATE INDEX i ON events (event_type)",
    "index of an expression": "CREATE INDEX i ON events (abs(seq))",
    "missing index": "DROP INDEX ix_sessions_status",
    "missing table": "DROP TABLE run_tokens",
    "column": "ALTER TABLE sessions ADD COLUMN a",
    "generated column": "ALTER TABLE sessions ADD COLUMN a AS (abs(number))",
    "constraint": "DROP TABLE run_tokens; CREATE TABLE run_tokens (digest CHECK (abs(digest)))",
}


def make(path: Path) -> Path:
    store = open_store(f"sqlite:///{path}", clock=SteppedClock())
    create(store, holder="h", token_digest="d")
    append(store, SOME)
    store.close()
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("whole") / "sessions.db")


def crafted(whole: Path, path: Path, statements: str) -> Path:
    shutil.copy(whole, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)
    return path


def refusals(file: Path, directory: Path) -> dict[str, str]:
    """Return the error of each use of a file, or "" if the use succeeds."""
    now = datetime.now(UTC)
    exported = io.BytesIO()
    uses: dict[str, Callable[[], object]] = {
        "backup": lambda: back_up(file, directory / "backup.db"),
        "restore": lambda: restore(file, directory / "restored.db", now=now),
        "serve": lambda: open_store(f"sqlite:///{file}", clock=SteppedClock()).close(),
        "import": lambda: import_export(f"sqlite:///{file}", io.BytesIO(b"")),
        "export": lambda: export(f"sqlite:///{file}", exported, now=1),
        "vacuum": lambda: vacuum(file),
    }
    said = {"verify": "; ".join(verify(file)[1])}
    for name, use in uses.items():
        said[name] = ""
        try:
            use()
        except DatabaseError as exc:
            said[name] = str(exc)
    return said


@each_row("part", PARTS)
def test_file_with_a_foreign_part_is_refused_by_every_command(
    whole: Path, tmp_path: Path, part: str
) -> None:
    file = crafted(whole, tmp_path / "crafted.db", PARTS[part])
    before = file.read_bytes()
    said = refusals(file, tmp_path)
    assert {use: text for use, text in said.items() if "its schema has" not in text} == {}
    assert file.read_bytes() == before
    assert not (tmp_path / "restored.db").exists()
    assert not (tmp_path / "backup.db").exists()


@each_row("table", ["events", "runs", "sessions"])
def test_endless_file_is_refused_by_every_command(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr(readonly, "_STEPS_OF_ANY", 1_000_000)
    monkeypatch.setattr(readonly, "_STEPS_OF_A_BYTE", 1)
    file = Path(shutil.copy(whole, tmp_path / "endless.db"))
    make_endless(file, table)
    before = file.read_bytes()
    said = refusals(file, tmp_path)
    assert {use for use, text in said.items() if not text} <= {"export"}, (
        "only export reads by indexes"
    )
    assert "more steps than" in said["verify"]
    assert file.read_bytes() == before
    assert not (tmp_path / "restored.db").exists()
    assert not (tmp_path / "backup.db").exists()


def test_analysed_database_is_accepted(whole: Path, tmp_path: Path) -> None:
    file = crafted(whole, tmp_path / "analysed.db", "ANALYZE")
    assert verify(file)[1] == []


def test_restore_does_not_copy_tokens(whole: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(whole)) as connection:
        assert connection.execute("SELECT count(*) FROM run_tokens").fetchone() == (1,)
    restore(whole, tmp_path / "restored.db", now=datetime.now(UTC))
    with closing(sqlite3.connect(tmp_path / "restored.db")) as connection:
        assert connection.execute("SELECT count(*) FROM run_tokens").fetchone() == (0,)

"""Export to JSON lines: complete, and identical to the byte after an import."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_session_manager.api.wire.events import NewEventBody
from agent_session_manager.domain.events.event import NewEvent, parse_event
from agent_session_manager.domain.sessions.request import RequestKind
from agent_session_manager.domain.transcript import NewEntry, TranscriptKey
from agent_session_manager.sql.care.exporting_file import written_whole
from agent_session_manager.sql.care.verify import verify
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.schema.rows import USAGE_COLUMNS
from agent_session_manager.sql.schema.tables import metadata
from agent_session_manager.sql.store import open_store
from agent_session_manager.sql.transfer import exporter, kinds
from agent_session_manager.sql.transfer.exporter import export
from agent_session_manager.store.change import Change
from agent_session_manager.store.changes import (
    AppendEvents,
    CreateRequest,
    CreateSession,
    DeleteSession,
    OpenRun,
    UpdateSession,
)
from agent_session_manager.store.transcripts import AppendTranscript
from tests.store.conftest import OpenStores
from tests.store.foreign_database import make_foreign_database
from tests.store.promises.changes import append, create
from tests.store.promises.events import SOME
from tests.store.promises.stepped_clock import SteppedClock
from tests.store.transfer.exports import body, exported, imported, parsed
from tests.support.earlier_schema import make_database

ROOT = Path(__file__).parents[3]


def test_export_has_one_line_per_row_in_order(
    whole: bytes,
) -> None:
    found = parsed(whole)
    assert [line["type"] for line in found] == [
        "header",
        *("session", "run", "request", "event", "event", "event"),
        *("session", "run", "run", "event", "event"),
        *("session", "run"),
        *("transcript", "entry", "entry", "entry", "summary"),
        *("transcript", "entry"),
        "trailer",
    ]
    assert found[0]["whole"] is True
    assert (
        found[-1].pop("sha256")
        == hashlib.sha256(body(whole)[: body(whole).rindex(b'{"type":"trailer"')]).hexdigest()
    )
    assert found[-1] == {
        "type": "trailer", "sessions": 3, "runs": 4, "requests": 1, "notices": 0, "events": 5,
        "usage_facts": 0, "transcripts": 2, "entries": 4, "summaries": 1,
    }  # fmt: skip


def test_export_through_postgresql_is_identical(
    text: bytes, elsewhere: str, postgresql_url: str
) -> None:
    imported(postgresql_url, text)
    there = exported(postgresql_url)
    imported(elsewhere, there)
    assert body(text) == body(there) == body(exported(elsewhere))


KEYS = st.sampled_from(["a", "b", "c"])
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXTS
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
RESERVED = {*NewEventBody.model_fields, "seq", "recorded_at", "late", "usage"}
FIELDS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(TEXTS, VALUES, max_size=3)


def some_event(fields: dict[str, Any], event_id: str | None, stops: bool) -> NewEvent:
    kind = "session_stop" if stops else "x"
    known = {} if event_id is None else {"event_id": event_id}
    plain = {name: value for name, value in fields.items() if name not in RESERVED}
    return parse_event({**plain, **known, "event_type": kind}, session_id="any")


CHANGES = st.one_of(
    st.builds(
        CreateSession,
        session_id=KEYS,
        session_name=TEXTS.filter(bool),
        project_dir=st.none() | TEXTS,
        parent_session_id=st.none() | KEYS,
        unique_name=st.booleans(),
        spec=st.none() | st.dictionaries(TEXTS, VALUES, max_size=2),
        holder=st.none() | st.just("h"),
    ),
    st.builds(
        lambda session_id, events: AppendEvents(session_id=session_id, events=events),
        KEYS,
        st.lists(
            st.builds(some_event, FIELDS, st.none() | KEYS, st.booleans()), min_size=1, max_size=4
        ),
    ),
    st.builds(UpdateSession, session_id=KEYS, archived=st.booleans()),
    st.builds(OpenRun, session_id=KEYS, takeover=st.booleans()),
    st.builds(DeleteSession, session_id=KEYS, force=st.just(True)),
    st.builds(
        CreateRequest,
        session_id=KEYS,
        run=st.integers(1, 2),
        request_id=KEYS,
        kind=st.sampled_from(RequestKind),
        payload=st.dictionaries(TEXTS, VALUES, max_size=2),
    ),
    st.builds(
        lambda key, lines: AppendTranscript(
            key=TranscriptKey(project_key="p", session_id=key, subpath=None),
            entries=[NewEntry(line=json.dumps({"x": line}), entry_id=line) for line in lines],
        ),
        KEYS,
        st.lists(KEYS, min_size=1, max_size=3),
    ),
)


@settings(max_examples=8)
@given(changes=st.lists(CHANGES, min_size=1, max_size=20))
def test_export_after_any_changes_survives_an_import(
    changes: list[Change[Any]],
) -> None:
    with TemporaryDirectory() as directory:
        first, second = (f"sqlite:///{directory}/{name}.db" for name in ("first", "second"))
        store = open_store(first, clock=SteppedClock())
        for change in changes:  # many changes are refused; the export must still be valid
            store.commit([change])
        store.close()
        text = exported(first)
        imported(second, text)
        assert body(exported(second)) == body(text)
        assert verify(Path(directory, "second.db"))[1] == []


def test_every_column_is_exported_or_explicitly_excluded() -> None:
    exported_columns = {kind.table.name: set(kind.columns) for kind in kinds.KINDS.values()}
    for table in metadata.tables.values():
        if table.name in kinds.TABLES_NOT_EXPORTED:
            continue
        left_out = kinds.NOT_EXPORTED.get(table.name, set())
        assert exported_columns[table.name] | left_out == {column.name for column in table.c}
        assert exported_columns[table.name] & left_out == set()


def test_documentation_lists_every_field_of_every_line() -> None:
    page = (ROOT / "docs/reference/export-format.md").read_text("utf-8")
    for kind in kinds.KINDS.values():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{kind.name}` |")]
        named = [name for name in kind.columns if name not in USAGE_COLUMNS]
        assert [name for name in named if f"`{name}`" not in row] == []


def test_export_is_a_snapshot(sqlite_url: str, open_stores: OpenStores) -> None:
    store = open_stores(sqlite_url)
    create(store)
    append(store, *[SOME] * 10)
    create(store, "t")

    class Writing(io.BytesIO):
        """A file that appends events to the store before each line is written."""

        def write(self, line: Any) -> int:
            append(store, SOME)
            append(store, SOME, session_id="t")
            return super().write(line)

    to = Writing()
    export(sqlite_url, to, now=1)
    assert parsed(to.getvalue())[-1]["events"] in (10, 11, 12)
    assert append(store, SOME) == [store.get_session("s").last_seq]
    assert imported(sqlite_url + "2", to.getvalue()).counts["sessions"] == 2


def test_export_of_given_sessions_has_only_their_transcripts(
    sqlite_url: str, text: bytes, elsewhere: str
) -> None:
    one = exported(sqlite_url, session_ids=["s"])
    assert [line["type"] for line in parsed(one)[1:-1]] == [
        *("session", "run", "request", "event", "event", "event"),
        *("transcript", "entry", "entry", "entry", "summary"),
    ]
    assert parsed(one)[0]["whole"] is False
    imported(elsewhere, one)
    with pytest.raises(DatabaseError, match="no session 'unknown'"):
        exported(sqlite_url, session_ids=["s", "unknown"])


def test_export_of_another_schema_is_refused(sqlite_url: str) -> None:
    make_database(sqlite_url, "0003")
    with pytest.raises(DatabaseError, match="schema '0003'"):
        exported(sqlite_url)


def test_export_of_a_missing_or_foreign_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="no database at"):
        exported(f"sqlite:///{tmp_path / 'none.db'}")
    make_foreign_database(tmp_path / "other.db")
    with pytest.raises(DatabaseError, match="not a database of"):
        exported(f"sqlite:///{tmp_path / 'other.db'}")


def test_export_file_is_private_and_complete(tmp_path: Path) -> None:
    file = tmp_path / "out" / "all.jsonl"
    with pytest.raises(DatabaseError, match="no directory"), written_whole(file):
        pass
    file.parent.mkdir()
    before = os.umask(0)
    try:
        with written_whole(file) as to:
            to.write(b"some")
            assert not file.exists()
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(DatabaseError, match="exists already"), written_whole(file):
        pass
    with pytest.raises(RuntimeError), written_whole(file.with_name("other")) as to:
        to.write(b"half")
        raise RuntimeError
    assert [path.name for path in file.parent.iterdir()] == ["all.jsonl"]
    assert file.read_bytes() == b"some"


def test_progress_is_reported_for_export_and_import(
    text: bytes, sqlite_url: str, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "_TOLD_EVERY", 5)
    told: list[tuple[int, int]] = []
    exported(sqlite_url, progress=lambda done, total: told.append((done, total)))
    assert told == [(5, 20), (10, 20), (15, 20), (20, 20), (20, 20)]
    read: list[int] = []
    imported(elsewhere, text, progress=read.append)
    assert sum(read) == len(text)

"""Everything out as JSON lines and in again: the same to the byte, or refused and unchanged."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_session_manager.api.wire.events import NewEventBody
from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import CursorUnknownError, NameTakenError
from agent_session_manager.domain.event import Event, NewEvent, parse_event
from agent_session_manager.domain.request import RequestKind, RequestState
from agent_session_manager.domain.session import Usage
from agent_session_manager.domain.transcript import NewEntry, TranscriptKey
from agent_session_manager.sql.care.exporting_file import written_whole
from agent_session_manager.sql.care.readonly import reading_alone
from agent_session_manager.sql.care.verify import verify
from agent_session_manager.sql.database.errors import DatabaseError, DatabaseInUseError
from agent_session_manager.sql.schema.rows import USAGE_COLUMNS
from agent_session_manager.sql.schema.tables import metadata
from agent_session_manager.sql.store import SqlStore, open_store
from agent_session_manager.sql.transfer import exporter, format, lines
from agent_session_manager.sql.transfer.exporter import export
from agent_session_manager.sql.transfer.format import ImportRefusedError
from agent_session_manager.sql.transfer.importer import import_export
from agent_session_manager.store.change import Change
from agent_session_manager.store.changes import (
    AppendEvents,
    CreateRequest,
    CreateSession,
    DeleteSession,
    OpenRun,
    SettleRequest,
    UpdateSession,
)
from agent_session_manager.store.queries import EventFilter, SessionFilter, SessionSort
from agent_session_manager.store.transcripts import AppendTranscript, PutTranscriptSummary
from tests.store.promises.conformance import (
    SOME,
    SteppedClock,
    append,
    asked,
    create,
    made,
    says,
    update,
    used,
)
from tests.support.earlier_schema import make_database
from tests.support.rows import each_row

ROOT = Path(__file__).parents[3]
OpenStores = Callable[[str], SqlStore]
KEY = TranscriptKey(project_key="-p", session_id="s")


def exported(url: str, **more: Any) -> bytes:
    to = io.BytesIO()
    export(url, to, now=1, **more)
    return to.getvalue()


def body(text: bytes) -> bytes:
    """All but the header."""
    return text.partition(b"\n")[2]


def parsed(text: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def imported(url: str, text: bytes, **more: Any) -> Any:
    return import_export(url, io.BytesIO(text), **more)


def refused(url: str, text: bytes, **more: Any) -> str:
    with pytest.raises(ImportRefusedError) as caught:
        imported(url, text, **more)
    return str(caught.value)


def fill(store: SqlStore, clock: SteppedClock) -> None:
    """Something of everything."""
    spec = {"argv": ["sh", "-c", "é\u2028"], "n": 2**53 + 1, "f": 0.1}
    create(store, "s", unique_name=True, project_dir="/p", host="h", spec=spec, holder="h1")
    create(store, "child", parent_session_id="s", agent_name="a", executor="command")
    create(store, "archived", session_name="s", project_dir="/q", unique_name=True)
    clock.move(1.5)
    append(store, says("é\U0001f600"), {**SOME, "event_id": "e1"})
    append(store, {**SOME, "deep": [[{"a": None}]], "big": 2**63, "float": 1e-7, "t": True})
    asked = CreateRequest(
        session_id="s", run=1, request_id="r", kind=RequestKind.STOP, payload={"why": "because"}
    )
    made(store, asked)
    settled = SettleRequest(
        session_id="s", run=1, request_id="r", state=RequestState.DONE, detail="gone"
    )
    made(store, settled)
    append(store, {"event_type": "session_stop", "exit_code": -9}, session_id="child")
    made(store, OpenRun(session_id="child"))
    append(store, {**SOME, "run": 1}, session_id="child")
    update(store, "archived", archived=True)
    entries = [NewEntry(line='{"a":  1, "u":"\\u0000\\ud800"}', entry_id=f"{n}") for n in range(3)]
    made(store, AppendTranscript(key=KEY, entries=entries))
    other = TranscriptKey(project_key="", session_id="elsewhere", subpath="sub/1")
    made(store, AppendTranscript(key=other, entries=entries[:1]))
    made(store, PutTranscriptSummary(key=KEY, expected_version=0, version=3, text='{"x": 1}'))
    clock.move(1)
    create(store, "gone")
    made(store, DeleteSession(session_id="gone"))


@pytest.fixture
def whole(database_url: str, open_stores: OpenStores, clock: SteppedClock) -> bytes:
    """The export of a filled store."""
    store = open_stores(database_url)
    fill(store, clock)
    text = exported(database_url)
    store.close()
    return text


@pytest.fixture
def text(sqlite_url: str, open_stores: OpenStores, clock: SteppedClock) -> bytes:
    store = open_stores(sqlite_url)
    fill(store, clock)
    found = exported(sqlite_url)
    store.close()
    return found


@pytest.fixture
def elsewhere(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'elsewhere.db'}"


def test_export_holds_a_line_for_each_row_in_order_between_header_and_trailer(
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
        "type": "trailer", "sessions": 3, "runs": 4, "requests": 1, "events": 5,
        "transcripts": 2, "entries": 4, "summaries": 1,
    }  # fmt: skip


def test_import_knows_which_requests_a_later_total_replaces(
    sqlite_url: str, elsewhere: str, open_stores: OpenStores, clock: SteppedClock
) -> None:
    store = open_stores(sqlite_url)
    create(store)
    append(store, asked("a", 5), used(3), asked("b", 2), {"event_type": "usage", "usage": {}})
    append(store, asked("c", 2), asked("d", 9))
    text = exported(sqlite_url)
    store.close()
    imported(elsewhere, text)
    both = []
    for url in (sqlite_url, elsewhere):
        store = open_stores(url)
        append(store, asked("c", 7), asked("a", 50))
        before = store.get_session("s").usage
        append(store, used(4))
        both.append((before, store.get_session("s").usage))
    assert both[0] == both[1]
    assert both[0][1] == Usage(input_tokens=7, cost_microdollars=70)


def test_import_is_the_same_record_in_the_same_orders(
    text: bytes, elsewhere: str, open_stores: OpenStores, sqlite_url: str
) -> None:
    done = imported(elsewhere, text)
    trailer = parsed(text)[-1]
    assert done.counts == {name: trailer[name] for name in done.counts}
    database = Path(elsewhere.removeprefix("sqlite:///"))
    assert verify(database)[1] == []
    with reading_alone(database) as connection:
        query = "SELECT count(*) FROM events WHERE checksum IS NULL"
        assert connection.execute(query).fetchone() == (0,)
    mine, other = open_stores(sqlite_url), open_stores(elsewhere)
    for sort in SessionSort:
        assert ids(other, sort) == ids(mine, sort)
    for session_id in ("s", "child", "archived"):
        assert other.list_runs(session_id) == mine.list_runs(session_id)
        assert events_of(other, session_id) == events_of(mine, session_id)
    assert other.get_session("s").child_count == 1
    assert append(other, SOME) == [4]
    taken = CreateSession(session_id="x", session_name="s", project_dir="/p", unique_name=True)
    assert isinstance(made(other, taken), NameTakenError)


def ids(store: SqlStore, sort: SessionSort = SessionSort.CREATED) -> list[str]:
    page = store.list_sessions(SessionFilter(), limit=99, sort=sort)
    return [session.session_id for session in page.sessions]


def events_of(store: SqlStore, session_id: str) -> list[Event]:
    """With the one number that is of this database alone left out."""
    page = store.list_events(session_id, EventFilter(), limit=99)
    return [replace(event, number=0) for event in page.events]


def test_way_to_postgresql_and_back_leads_to_the_same_bytes(
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
def test_whatever_was_done_export_import_and_export_is_the_same_to_the_byte(
    changes: list[Change[Any]],
) -> None:
    with TemporaryDirectory() as directory:
        first, second = (f"sqlite:///{directory}/{name}.db" for name in ("first", "second"))
        store = open_store(first, clock=SteppedClock())
        for change in changes:  # many are refused: what they leave is what counts
            store.commit([change])
        store.close()
        text = exported(first)
        imported(second, text)
        assert body(exported(second)) == body(text)
        assert verify(Path(directory, "second.db"))[1] == []


def test_every_column_is_exported_or_named_as_left_out() -> None:
    exported_columns = {kind.table.name: set(kind.columns) for kind in format.KINDS.values()}
    for table in metadata.tables.values():
        if table.name in format.TABLES_NOT_EXPORTED:
            continue
        left_out = format.NOT_EXPORTED.get(table.name, set())
        assert exported_columns[table.name] | left_out == {column.name for column in table.c}
        assert exported_columns[table.name] & left_out == set()


def test_page_shows_every_field_of_every_line() -> None:
    page = (ROOT / "docs/export.md").read_text("utf-8")
    for kind in format.KINDS.values():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{kind.name}` |")]
        named = [name for name in kind.columns if name not in USAGE_COLUMNS]
        assert [name for name in named if f"`{name}`" not in row] == []


def test_export_is_of_one_moment(sqlite_url: str, open_stores: OpenStores) -> None:
    store = open_stores(sqlite_url)
    create(store)
    append(store, *[SOME] * 10)
    create(store, "t")

    class Writing(io.BytesIO):
        """Somebody appends each time that a line was written."""

        def write(self, line: Any) -> int:
            append(store, SOME)
            append(store, SOME, session_id="t")
            return super().write(line)

    to = Writing()
    export(sqlite_url, to, now=1)
    assert parsed(to.getvalue())[-1]["events"] in (10, 11, 12)
    assert append(store, SOME) == [store.get_session("s").last_seq]
    assert imported(sqlite_url + "2", to.getvalue()).counts["sessions"] == 2


def test_sessions_that_are_asked_for_come_with_their_transcripts_alone(
    sqlite_url: str, text: bytes, elsewhere: str
) -> None:
    one = exported(sqlite_url, session_ids=["s"])
    assert [line["type"] for line in parsed(one)[1:-1]] == [
        *("session", "run", "request", "event", "event", "event"),
        *("transcript", "entry", "entry", "entry", "summary"),
    ]
    assert parsed(one)[0]["whole"] is False
    imported(elsewhere, one)
    with pytest.raises(DatabaseError, match="no session 'nobody'"):
        exported(sqlite_url, session_ids=["s", "nobody"])


def test_cursors_from_before_an_import_are_unknown(
    sqlite_url: str, text: bytes, elsewhere: str, open_stores: OpenStores
) -> None:
    before = open_stores(sqlite_url)
    cursor, generation = before.feeds.head(), before.get_session("s").generation
    imported(elsewhere, text)
    after = open_stores(elsewhere)
    assert after.get_session("s").generation != generation
    with pytest.raises(CursorUnknownError):
        after.feeds.read_changes(Cursor(generation=cursor.generation, number=0), limit=9)


def test_readers_of_the_list_hear_of_what_came_in(
    text: bytes, elsewhere: str, open_stores: OpenStores
) -> None:
    store = open_stores(elsewhere)
    create(store, "mine")
    cursor = store.feeds.head()
    store.close()
    imported(elsewhere, text)
    changes = open_stores(elsewhere).feeds.read_changes(cursor, limit=9).changes
    assert len(changes) == 3


def test_what_is_there_already_is_listed_and_refused_or_left_as_it_is(
    text: bytes, elsewhere: str, open_stores: OpenStores
) -> None:
    store = open_stores(elsewhere)
    create(store, "s", session_name="mine")
    store.close()
    before = exported(elsewhere)
    assert "there already: session 's'; nothing was changed" in refused(elsewhere, text)
    assert exported(elsewhere) == before
    done = imported(elsewhere, text, skip_existing=True)
    assert done.skipped == ["session 's'"]
    assert done.counts["sessions"] == 2
    again = imported(elsewhere, text, skip_existing=True)
    assert sum(again.counts.values()) == 0
    assert len(again.skipped) == 5
    after = open_stores(elsewhere)
    assert (after.get_session("s").session_name, after.get_session("s").last_seq) == ("mine", 0)


def test_name_that_somebody_has_here_is_refused_with_both(
    text: bytes, elsewhere: str, open_stores: OpenStores
) -> None:
    store = open_stores(elsewhere)
    create(store, "mine", session_name="s", project_dir="/p", unique_name=True)
    store.close()
    said = refused(elsewhere, text, skip_existing=True)
    assert said.startswith("line 2: ")
    assert "'mine'" in said
    assert "'s'" in said


def test_export_of_another_schema_is_refused(sqlite_url: str) -> None:
    make_database(sqlite_url, "0003")
    with pytest.raises(DatabaseError, match="schema '0003'"):
        exported(sqlite_url)


def test_export_of_what_is_not_there_or_not_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="no database at"):
        exported(f"sqlite:///{tmp_path / 'none.db'}")
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE mine (x)")
    with pytest.raises(DatabaseError, match="not a database of"):
        exported(f"sqlite:///{tmp_path / 'other.db'}")


def test_import_into_an_open_store_is_refused(
    text: bytes, sqlite_url: str, open_stores: OpenStores
) -> None:
    open_stores(sqlite_url)
    with pytest.raises(DatabaseInUseError):
        imported(sqlite_url, text)


def signed(found: list[dict[str, Any]]) -> bytes:
    """Lines with a trailer that agrees with them, however wrong they are."""
    inner = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in found]
    digest = hashlib.sha256("".join(inner[1:-1]).encode("utf-8", "surrogatepass")).hexdigest()
    names = {kind.name: kind.counted for kind in format.KINDS.values()}
    counts = dict.fromkeys(names.values(), 0)
    for line in found[1:-1]:
        if line.get("type") in list(names):
            counts[names[line["type"]]] += 1
    trailer = json.dumps({"type": "trailer", **counts, "sha256": digest}) + "\n"
    return ("".join(inner[:-1]) + trailer).encode("utf-8", "surrogatepass")


Damage = Callable[[list[dict[str, Any]]], object]

# Lines: 0 header, 1 s, 2 run, 3 request, 4-6 events, 7 child, 8-9 runs, 10-11 events, 12 archived,
# 13 run, 14 transcript, 15-17 entries, 18 summary, 19 transcript, 20 entry, 21 trailer.
WRONG: dict[str, tuple[Damage, str]] = {
    "another format": (lambda x: x[0].update(format="y"), "line 1: this is not an export"),
    "a newer version": (lambda x: x[0].update(version=3), "line 1: this is an export of version 3"),
    "more in the header": (lambda x: x[0].update(more=1), "line 1: the header"),
    "no header": (lambda x: x.pop(0), "line 1: this is not an export"),
    "a header twice": (lambda x: x.insert(1, x[0]), "line 2: there are no lines of type 'header'"),
    "a type nobody knows": (lambda x: x[4].update(type="y"), "line 5: there are no lines of type"),
    "a type that is no text": (lambda x: x[4].update(type=[1]), "line 5: there are no lines of"),
    "a field too much": (lambda x: x[4].update(y=1), "line 5: a event with these missing"),
    "a field too few": (lambda x: x[4].pop("late"), "line 5: a event with these missing"),
    "an id that none can be": (lambda x: x[1].update(session_id="../x"), "line 2: session_id"),
    "a text with NUL": (lambda x: x[1].update(session_name="a\0b"), "line 2: session_name"),
    "half a surrogate": (lambda x: x[1].update(session_name="\ud800"), "line 2: it is not JSON"),
    "a truth that is a number": (lambda x: x[4].update(late=1), "line 5: late of a event"),
    "a number that is a truth": (lambda x: x[4].update(run=True), "line 5: run of a event"),
    "a number too large": (lambda x: x[1].update(created_at=2**63), "line 2: created_at"),
    "a negative count": (lambda x: x[1].update(input_tokens=-1), "line 2: input_tokens"),
    "a state nobody knows": (lambda x: x[3].update(state="y"), "line 4: state of a request"),
    "fields that are a list": (lambda x: x[4].update(fields=[]), "line 5: fields of a event"),
    "a gap": (lambda x: x.pop(5), "line 6: event 3 where event 2 should be in session 's'"),
    "an event too few": (lambda x: x.pop(6), "before line 7: session 's' has 2 events"),
    "an event too many": (lambda x: x[1].update(last_seq=2), "before line 8: session 's' has 3"),
    "a run too few": (lambda x: x.pop(9), "session 'child' has 1 runs, and should have 2"),
    "events out of order": (lambda x: x.insert(4, x.pop(5)), "line 5: event 2 where event 1"),
    "an event before its run": (lambda x: x.insert(2, x.pop(4)), "line 4: a run of session 's'"),
    "an event of no run": (lambda x: x[4].update(run=2), "line 5: event of run 2"),
    "an event of nobody": (lambda x: x.insert(1, x[4]), "line 2: a event without a session"),
    "an entry in a session": (lambda x: x.insert(2, x[15]), "line 3: a entry without a transcript"),
    "an event twice": (lambda x: x.insert(5, x[4]), "line 6: event 1 where event 2 should be"),
    "an event id twice": (
        lambda x: (x[4].update(event_id="e"), x[5].update(event_id="e")),
        "lines 5 to 7: the same event comes a second time",
    ),
    "a session twice": (lambda x: x.insert(14, x[12]), "session 'archived' comes a sec"),
    "a name twice": (
        lambda x: x[12].update(project_dir="/p", archived_at=None), "in the export is also 's'"
    ),
    "a transcript before a session": (
        lambda x: x.insert(1, {**x[14], "last_position": 0}), "line 3: a session stands behind"
    ),
    "an entry too few": (lambda x: x.pop(20), "before the end: transcript '' 'elsewhere' 'sub/1'"),
    "a second summary": (lambda x: x.insert(18, x[18]), "line 20: a second summary"),
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A database with something in it, and an export that it takes as long as that is whole."""

    url: str
    before: bytes
    text: bytes


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    """One for all that is refused: nothing is changed by that."""
    directory = tmp_path_factory.mktemp("export")
    first, second = (f"sqlite:///{directory}/{name}.db" for name in ("first", "second"))
    clock = SteppedClock()
    store = open_store(first, clock=clock)
    fill(store, clock)
    store.close()
    store = open_store(second, clock=clock)
    create(store, "mine")
    store.close()
    return Target(second, exported(second), exported(first))


@each_row("name", WRONG)
def test_lines_that_are_wrong_are_refused_by_number_and_change_nothing(
    name: str, target: Target
) -> None:
    found = parsed(target.text)
    damage, expected = WRONG[name]
    damage(found)
    said = refused(target.url, signed(found))
    assert expected in said
    assert said.endswith("nothing was changed")
    assert exported(target.url) == target.before


def test_lines_that_are_signed_by_the_test_alone_are_taken(text: bytes, elsewhere: str) -> None:
    """What makes the test above one of its damages."""
    assert imported(elsewhere, signed(parsed(text))).counts["sessions"] == 3


def test_file_that_is_cut_off_anywhere_is_refused(target: Target) -> None:
    text = target.text
    for end in range(0, len(text), max(1, len(text) // 12)):
        refused(target.url, text[:end])
    assert "cut off" in refused(target.url, text[:-1])
    assert "cut off after line 21" in refused(target.url, text[: text.rindex(b'{"type":"trailer"')])
    assert exported(target.url) == target.before


def test_changed_byte_anywhere_but_in_the_header_is_seen(target: Target) -> None:
    text = target.text
    start = text.index(b"\n") + 1
    for place in range(start, len(text), max(1, (len(text) - start) // 15)):
        damaged = bytearray(text)
        damaged[place] ^= 1
        refused(target.url, bytes(damaged))
    assert exported(target.url) == target.before


@each_row("more", [b"\n", b"{}\n", b'{"type":"trailer"}\n', b"x"])
def test_nothing_may_stand_behind_the_trailer(target: Target, more: bytes) -> None:
    assert "behind the trailer" in refused(target.url, target.text + more)


@each_row("junk", [b"", b"\n", b"\xff\n", b"[]\n", b"SQLite format 3\0\n"])
def test_what_is_no_export_is_refused(target: Target, junk: bytes) -> None:
    refused(target.url, junk)


def test_line_that_is_too_long_is_not_read_to_its_end(
    text: bytes, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 4096)
    head, rest = text.split(b"\n", 1)
    endless = io.BufferedReader(Endless(head + b"\n"))
    with pytest.raises(ImportRefusedError, match="line 2: it is longer than 4096 bytes"):
        import_export(elsewhere, endless)


class Endless(io.RawIOBase):
    """A beginning, and then one line without an end."""

    def __init__(self, beginning: bytes) -> None:
        self._beginning = io.BytesIO(beginning)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        return self._beginning.readinto(into) or _fill(into)


def _fill(into: Any) -> int:
    into[:] = b"x" * len(into)
    return len(into)


def test_file_is_private_whole_and_never_in_the_place_of_another(tmp_path: Path) -> None:
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
    with pytest.raises(DatabaseError, match="is there already"), written_whole(file):
        pass
    with pytest.raises(RuntimeError), written_whole(file.with_name("other")) as to:
        to.write(b"half")
        raise RuntimeError
    assert [path.name for path in file.parent.iterdir()] == ["all.jsonl"]
    assert file.read_bytes() == b"some"


def test_progress_is_told_of_both_ways(
    text: bytes, sqlite_url: str, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "_TOLD_EVERY", 5)
    told: list[tuple[int, int]] = []
    exported(sqlite_url, progress=lambda done, total: told.append((done, total)))
    assert told == [(5, 20), (10, 20), (15, 20), (20, 20), (20, 20)]
    read: list[int] = []
    imported(elsewhere, text, progress=read.append)
    assert sum(read) == len(text)

"""Records that no request can create: imports refuse them, and reads survive them."""

from __future__ import annotations

import asyncio
import hashlib
import io
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_session_manager.api.app import build_app, openapi
from agent_session_manager.machine.clock import now
from agent_session_manager.manager.manager import Manager
from agent_session_manager.sql.care.verify import verify
from agent_session_manager.sql.schema.rows import USAGE_COLUMNS
from agent_session_manager.sql.store import open_store
from agent_session_manager.sql.transfer.format import ImportRefusedError, header_line
from agent_session_manager.sql.transfer.importer import import_export
from agent_session_manager.sql.transfer.kinds import KINDS
from tests.support.asgi import Answered, asked

SECRET = "ghp_" + "aB3dE5" * 6
KEY = "p"
USAGE = dict.fromkeys(USAGE_COLUMNS, 1)
GROUPS: tuple[dict[str, dict[str, Any]], ...] = (
    {
        "session": {
            "session_id": "", "session_name": "n", "project_dir": "/p", "agent_name": "a",
            "executor": "command", "parent_session_id": None, "created_at": 1,
            "last_resumed_at": 1, "last_activity_at": 1, "archived_at": None, "status": "finished",
            "last_run": 1, "last_seq": 1, "unique_name": False, **USAGE, "masked_secrets": 0,
        },
        "run": {
            "run": 1, "started_at": 1, "finished_at": 1, "exit_code": 0, "reason": "completed",
            "host": "h", "spec": {}, "lease_holder": None, "lease_expires_at": None,
            "answer_seq": 1, **USAGE,
        },
        "request": {
            "run": 1, "request_id": "r", "kind": "message", "payload": {}, "state": "done",
            "detail": None, "created_at": 1, "settled_at": 1,
        },
        "event": {
            "seq": 1, "event_id": "e", "run": 1, "late": False, "event_type": "message",
            "recorded_at": 1,
            "fields": {"role": "assistant", "content": [{"type": "text", "text": "x"}]},
        },
    },
    {
        "transcript": {
            "project_key": KEY, "session_id": "", "subpath": "", "last_position": 1, "updated_at": 1
        },
        "entry": {"position": 1, "entry_id": "e", "line": "{}"},
        "summary": {"version": 1, "updated_at": 1, "summary": "{}"},
    },
)  # fmt: skip
"""A session and a transcript in the form of an export, with one record of each kind."""
STRUCTURE = {"session_id", "last_run", "last_seq", "run", "seq", "position", "last_position"}
"""The columns that say where a line belongs; they are not changed."""

HOSTILE: tuple[Any, ...] = (
    None, True, 7, -1, 2**31, 2**53 + 1, 2**62, 2**63 - 1, -(2**63), 0.5, "", "x" * 5000, "\0",
    "running", "2026-11-22", [], {}, ["x"], {"content": 7}, {"role": 5, "content": [7]},
    {"content": [{"type": "text"}]}, {"content": [{"type": "text", "text": 5}]}, {"seq": 9},
    {"session_id": "other"}, {"event_type": "x"}, {"exit_code": 2**40}, {"usage": 5},
    {"masked_secrets": 2**62}, {"text": SECRET}, {"a": [{"password": "Tr0ub4dor&3x"}]},
    "{", "[]", '{"a": NaN}', "{}{}",
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)  # fmt: skip


Group = dict[str, dict[str, Any]]


def changed(group: Group, kind: str, /, **columns: Any) -> Group:
    return {name: {**line, **columns} if name == kind else line for name, line in group.items()}


def named(group: Group, name: str) -> Group:
    return changed(group, next(iter(group)), session_id=str(uuid5(NAMESPACE_URL, name)))


def id_of(group: Group) -> str:
    return str(next(iter(group.values()))["session_id"])


def accepted_variants(values: tuple[Any, ...]) -> list[Group]:
    """Return groups that together contain each value that an import accepts in each column."""
    made = []
    for number, group in enumerate(GROUPS):
        taken = {
            (kind, column): [
                value
                for value in values
                if is_accepted(changed(named(group, "x"), kind, **{column: value}))
            ]
            for kind, line in group.items()
            for column in line.keys() - STRUCTURE
        }
        for place in range(max(map(len, taken.values()))):
            variant = named(group, f"{number} {place}")
            for (kind, column), some in taken.items():
                if place < len(some):
                    variant = changed(variant, kind, **{column: some[place]})
            made.append(variant)
    return made


def is_accepted(group: Group) -> bool:
    try:
        for kind, line in group.items():
            KINDS[kind].to_row(orjson.loads(orjson.dumps(line)), 1)
    except (ImportRefusedError, orjson.JSONEncodeError):
        return False
    return True


def export_of(groups: list[Group]) -> bytes:
    groups = sorted(groups, key=lambda group: "transcript" in group)
    lines = [{"type": kind, **line} for group in groups for kind, line in group.items()]
    body = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    kinds = [line["type"] for line in lines]
    counts = {kind.counted: kinds.count(kind.name) for kind in KINDS.values()}
    trailer = {"type": "trailer", **counts, "sha256": hashlib.sha256(body).hexdigest()}
    header = header_line(exported_at=1, generation="g", is_whole=True)
    return header + body + orjson.dumps(trailer) + b"\n"


@cache
def paths_that_read() -> list[str]:
    return [path for path, methods in openapi()["paths"].items() if "get" in methods]


def targets(session_id: str) -> Iterator[str]:
    """Yield the targets of all routes that read, for this session where a route needs one."""
    for path in paths_that_read():
        target = path.replace("{session_id}", session_id)
        target = target.replace("{run}", "1").replace("{request_id}", "r")
        if path.startswith("/transcripts"):
            target += f"?project_key={KEY}"
            target += f"&session_id={session_id}" if path.endswith("/entries") else ""
        elif path == "/usage":
            target += "?since=0001-01-02T00:00:00Z&bucket=day"
        yield target
        if path == "/sessions":
            for sort in ("created", "activity", "name", "cost", "took"):
                yield f"{target}?limit=1000&sort={sort}&order=asc&totals=true"
            yield f"{target}?model=m&reason=lost&reason=failed&denied=true&cost_over=0"


def events_of(session_id: str) -> Iterator[str]:
    yield f"/sessions/{session_id}/events"


async def answers(
    directory: Path,
    session_ids: list[str],
    targets: Callable[[str], Iterator[str]] = targets,
) -> dict[str, Answered]:
    """Ask every target about each session, then delete each session; return all answers."""
    found: dict[str, Answered] = {}
    store = open_store(f"sqlite:///{directory / 'sessions.db'}", clock=now)
    async with Manager.open(store) as manager:
        app = build_app(manager, instance="i")
        for session_id in session_ids:
            for target in targets(session_id):
                if target not in found:
                    found[target] = await asked(app, "GET", target)
        for session_id in session_ids:
            target = f"/sessions/{session_id}?force=true"
            found[f"DELETE {target}"] = await asked(app, "DELETE", target)
        found["left"] = await asked(app, "GET", "/sessions")
    return found


def import_groups(directory: Path, groups: list[Group]) -> None:
    import_export(f"sqlite:///{directory / 'sessions.db'}", io.BytesIO(export_of(groups)))


@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(st.just(HOSTILE) | st.tuples(VALUES, VALUES))
def test_accepted_import_can_be_read_through_every_route(values: tuple[Any, ...]) -> None:
    taken = accepted_variants(values)
    if not taken:
        return
    with TemporaryDirectory() as directory:
        import_groups(Path(directory), taken)
        said = asyncio.run(answers(Path(directory), list(map(id_of, taken))))
    wrong = {target: answer.body for target, answer in said.items() if answer.status >= 500}
    assert wrong == {}
    raw = {target for target, answer in said.items() if SECRET.encode() in answer.body}
    assert all(target.startswith("/transcripts/") for target in raw), raw
    assert said["left"].json["sessions"] == []


def test_import_refuses_values_that_no_request_can_create() -> None:
    refused: list[tuple[str, str, Any]] = [
        ("session", "session_name", ""),
        ("session", "session_name", "x" * 5000),
        ("session", "last_activity_at", 2**62),
        ("session", "cost_nanodollars", 2**62),
        ("run", "cost_nanodollars", 2**62),
        ("event", "fields", {"content": 7}),
        ("event", "fields", {"role": 5}),
        ("event", "fields", {"seq": 9}),
        ("entry", "line", "not JSON"),
        ("summary", "summary", "[]"),
    ]
    for kind, column, value in refused:
        [group] = [named(group, "x") for group in GROUPS if kind in group]
        assert is_accepted(group)
        assert not is_accepted(changed(group, kind, **{column: value})), (kind, column, value)


DAMAGES: tuple[Any, ...] = (2**62, -(2**63), "text", b"\xff\xfe", 0.5, "", "not UTF-8")
NOT_UTF_8 = "CAST(x'61ff62' AS TEXT)"
TABLES = {
    "session": ("sessions", "session_id = ?"),
    "run": ("runs", "session_number = (SELECT number FROM sessions WHERE session_id = ?)"),
    "request": ("requests", "session_number = (SELECT number FROM sessions WHERE session_id = ?)"),
    "event": ("events", "session_number = (SELECT number FROM sessions WHERE session_id = ?)"),
}


def test_damaged_record_breaks_no_list_and_can_be_deleted(tmp_path: Path) -> None:
    places = {
        (kind, value): named(GROUPS[0], f"{kind} {value!r}") for kind in TABLES for value in DAMAGES
    }
    import_groups(tmp_path, list(places.values()))
    with closing(sqlite3.connect(tmp_path / "sessions.db")) as connection, connection:
        for (kind, value), group in places.items():
            table, where = TABLES[kind]
            for column in group[kind].keys() - STRUCTURE:
                connection.execute(
                    f"UPDATE {table} SET {column} = iif(?1 = 'not UTF-8', {NOT_UTF_8}, ?1)"
                    f" WHERE {where.replace('?', '?2')}",
                    (value, id_of(group)),
                )
        connection.execute("UPDATE events SET checksum = NULL")
    said = asyncio.run(answers(tmp_path, list(map(id_of, places.values()))))
    wrong = {target: answer.body for target, answer in said.items() if answer.status >= 500}
    assert {t: body for t, body in wrong.items() if not t.endswith("/result")} == {}
    assert all(b"event_damaged" in body for body in wrong.values())
    damaged = {
        session["session_id"]: session["damaged"] for session in said["/sessions"].json["sessions"]
    }
    assert damaged == {
        id_of(group): kind in ("session", "run") for (kind, _), group in places.items()
    }
    assert said["left"].json["sessions"] == []


def test_fields_without_checksum_are_shown_as_today(tmp_path: Path) -> None:
    stored = ('{ "a" : 1 }', ' {"a":1}', '{"a":1,"seq":9,"run":7}', '{"a":\n1}')
    groups = {text: named(GROUPS[0], text) for text in stored}
    import_groups(tmp_path, list(groups.values()))
    of_session = TABLES["event"][1]
    with closing(sqlite3.connect(tmp_path / "sessions.db")) as connection, connection:
        for text, group in groups.items():
            update = f"UPDATE events SET checksum = NULL, fields = ? WHERE {of_session}"
            connection.execute(update, (text, id_of(group)))
    said = asyncio.run(answers(tmp_path, list(map(id_of, groups.values())), events_of))
    for text, group in groups.items():
        answer = said[f"/sessions/{id_of(group)}/events"]
        [event] = answer.json["events"]
        assert (event["seq"], event["run"], event["a"]) == (1, 1, 1), text
        assert answer.body.count(b"\n") == 0, text


TEXTS = {
    "sessions": ("session_id", "generation", "session_name", "project_dir", "status"),
    "runs": ("reason", "host", "spec"),
    "requests": ("request_id", "kind", "payload"),
    "transcripts": ("project_key", "subpath"),
    "transcript_entries": ("entry_id", "line"),
    "transcript_summaries": ("summary",),
}


def test_verify_names_values_that_are_not_text(tmp_path: Path) -> None:
    import_groups(tmp_path, [named(group, "x") for group in GROUPS])
    path = tmp_path / "sessions.db"
    assert verify(path)[1] == []
    for damage in (NOT_UTF_8, "x'00'"):
        with closing(sqlite3.connect(path)) as connection, connection:
            for table, columns in TEXTS.items():
                values = ", ".join(f"{column} = {damage}" for column in columns)
                connection.execute(f"UPDATE {table} SET {values}")
        said = [line for line in verify(path)[1] if "not text" in line]
        assert sorted(said) == sorted(
            f"{table}: row 1 has something in {column} that is not text in UTF-8"
            for table, columns in TEXTS.items()
            for column in columns
        )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE feed SET generation = {NOT_UTF_8}")
    assert "feed: its generation is not text in UTF-8" in verify(path)[1]

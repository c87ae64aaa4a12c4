"""How a database is opened, owned, brought up to date and left, on each kind."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from agent_session_manager.domain.errors import NameTakenError, StoreUnavailableError
from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.database.open import open_database
from agent_session_manager.sql.database.owner import Owner
from agent_session_manager.sql.store import SqlStore, open_store
from agent_session_manager.store.changes import CreateSession, DeleteSession
from agent_session_manager.store.queries import EventFilter, SessionFilter
from agent_shared import place
from tests.store.conftest import sqlite_url_in
from tests.store.promises.conformance import (
    SOME,
    SteppedClock,
    append,
    create,
    made,
    says,
    stop,
    update,
)
from tests.support.earlier_schema import make_database
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

OpenStores = Callable[[str], SqlStore]


def path_of(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def refusal(url: str) -> str:
    with pytest.raises(DatabaseError) as caught:
        open_store(url, clock=SteppedClock()).close()
    return str(caught.value)


def test_reserved_names_of_before_are_migrated_to_one_form(
    database_url: str, open_stores: OpenStores
) -> None:
    """Of two sessions with one name in two forms, both keep what they have."""
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    make_database(database_url, "0006", sessions=3)
    held = {"s1": ("/p", decomposed), "s2": ("/q", decomposed), "s3": ("/q", composed)}
    database = open_database(database_url)
    change = text(
        "UPDATE sessions SET session_name = :name, reserved_name = :name, project_dir = :project,"
        " reserved_project = :project, unique_name = :unique WHERE session_id = :id"
    )
    with database.writing.begin() as connection:
        for session_id, (project, name) in held.items():
            values = {"id": session_id, "project": project, "name": name, "unique": True}
            connection.execute(change, values)
    database.close()
    store = open_stores(database_url)
    kept = {session_id: store.get_session(session_id) for session_id in held}
    assert {s: (each.project_dir, each.session_name) for s, each in kept.items()} == held
    for project in ("/p", "/q"):
        new = CreateSession(
            session_id="n", session_name=composed, project_dir=project, unique_name=True
        )
        assert isinstance(made(store, new), NameTakenError)
    assert update(store, "s2", agent_name="x").session_name == decomposed
    assert update(store, "s2", archived=True).session_name == decomposed


def test_opening_again_changes_nothing_and_finds_everything(
    database_url: str, open_stores: OpenStores
) -> None:
    first = open_stores(database_url)
    session = create(first, spec={"x": 1}, unique_name=True)
    append(first, {"event_type": "some", "event_id": "1", "field": "é🦾"})
    events = first.list_events("s", EventFilter(), limit=10)
    first.close()
    again = open_stores(database_url)
    assert again.get_session("s").created_at == session.created_at
    assert again.list_events("s", EventFilter(), limit=10) == events
    assert append(again, {"event_type": "some", "event_id": "1"}, SOME) == [1, 2]


def test_database_of_a_newer_version_is_refused_and_left_as_it_is(
    database_url: str, open_stores: OpenStores
) -> None:
    open_stores(database_url).close()
    database = open_database(database_url)
    with database.writing.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from_the_future'"))
    database.close()
    said = refusal(database_url)
    assert "from_the_future" in said
    assert "newer agent-session-manager" in said
    database = open_database(database_url)
    with database.reading.connect() as connection:
        version = connection.scalar(text("SELECT version_num FROM alembic_version"))
    database.close()
    assert version == "from_the_future"


def test_session_created_anew_has_a_generation_of_its_own(
    database_url: str, open_stores: OpenStores
) -> None:
    store = open_stores(database_url)
    generations = set()
    for _ in range(3):
        create(store)
        with store._database.reading.connect() as connection:
            generations.add(connection.scalar(text("SELECT generation FROM sessions")))
        made(store, DeleteSession(session_id="s"))
    assert len(generations) == 3


def test_nothing_of_a_deleted_session_stays_in_the_tables(
    database_url: str, open_stores: OpenStores
) -> None:
    store = open_stores(database_url)
    create(store)
    append(store, *[SOME] * 10)
    made(store, DeleteSession(session_id="s"))
    with store._database.reading.connect() as connection:
        counts = [
            connection.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in ("sessions", "runs", "events")
        ]
    assert counts == [0, 0, 0]


def pragma(database: Database, *, writer: bool, name: str) -> object:
    engine = database.writing if writer else database.reading
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_sqlite_flushes_each_commit_to_a_log_of_its_own(
    sqlite_url: str, open_stores: OpenStores
) -> None:
    database = open_stores(sqlite_url)._database
    full = 2
    assert {
        name: pragma(database, writer=True, name=name)
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    } == {"journal_mode": "wal", "synchronous": full, "foreign_keys": 1, "busy_timeout": 5000}


def test_sqlite_readers_cannot_write_and_do_not_checkpoint(
    sqlite_url: str, open_stores: OpenStores
) -> None:
    store = open_stores(sqlite_url)
    connections = [store._database.reading.connect() for _ in range(4)]
    for connection in connections:
        assert connection.exec_driver_sql("PRAGMA query_only").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar() == 0
        with pytest.raises(OperationalError, match="readonly"):
            connection.exec_driver_sql("DELETE FROM sessions")
    for connection in connections:
        connection.close()


READS: dict[str, Callable[[SqlStore], object]] = {
    "status": lambda store: store.get_status("s"),
    "session": lambda store: store.get_session("s"),
    "result": lambda store: store.get_result("s"),
    "runs": lambda store: store.list_runs("s"),
    "events": lambda store: store.list_events("s", EventFilter(after_seq=1), limit=1),
    "events backwards": lambda store: store.list_events("s", EventFilter(before_seq=9), limit=1),
    "all": lambda store: store.list_sessions(SessionFilter(), limit=1),
    "next page": lambda store: store.list_sessions(SessionFilter(), limit=1, after=(2,)),
    "by name": lambda store: store.list_sessions(
        SessionFilter(session_name="s", project_dir="/p", archived=False), limit=1
    ),
    "by name anywhere": lambda store: store.list_sessions(SessionFilter(session_name="s"), limit=1),
    "of a project": lambda store: store.list_sessions(SessionFilter(project_dir="/p"), limit=1),
    "by prefix": lambda store: store.list_sessions(SessionFilter(id_prefix="s"), limit=1),
}


ALLOWED = {
    "all": {"SCAN sessions"},  # from the end of the table, and cut by the limit
    "by prefix": {"USE TEMP B-TREE FOR ORDER BY"},  # of those alone that have it
    "by name anywhere": {"USE TEMP B-TREE FOR ORDER BY"},  # the same
}


@each_row("name", READS)
def test_no_read_looks_at_a_whole_table(tmp_path: Path, open_stores: OpenStores, name: str) -> None:
    store = open_stores(sqlite_url_in(tmp_path))
    create(store)
    append(store, says("x"), stop())
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    reading = store._database.reading
    event.listen(reading, "before_cursor_execute", note)
    READS[name](store)
    event.remove(reading, "before_cursor_execute", note)
    assert asked
    with reading.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [row.detail for row in plan]
            dear = {step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step}
            assert dear <= ALLOWED.get(name, set()), steps


@pytest.mark.xdist_group("postgresql")
def test_postgresql_answers_once_it_is_on_disk(
    postgresql_url: str, open_stores: OpenStores
) -> None:
    database = open_stores(postgresql_url)._database
    for engine in (database.writing, database.reading):
        with engine.connect() as connection:
            shown = {
                name: connection.exec_driver_sql(f"SHOW {name}").scalar()
                for name in ("synchronous_commit", "lock_timeout", "timezone")
            }
        assert shown == {
            "synchronous_commit": "on",
            "lock_timeout": "5s",
            "timezone": "UTC",
        }


@pytest.mark.xdist_group("postgresql")
def test_store_that_cannot_reach_its_database_says_so(
    postgresql_url: str, open_stores: OpenStores
) -> None:
    store = open_stores(postgresql_url)
    create(store)
    database = open_database(postgresql_url)
    with database.reading.connect() as connection:
        others = (
            "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute(text("ALTER TABLE sessions RENAME TO hidden"))
        connection.commit()
        outcome = made(store, DeleteSession(session_id="s"))
        assert isinstance(outcome, StoreUnavailableError)
        with pytest.raises(StoreUnavailableError):
            store.get_session("s")
        connection.execute(text("ALTER TABLE hidden RENAME TO sessions"))
        connection.commit()
        connection.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
        connection.commit()
    database.close()
    assert store.get_session("s").session_id == "s"
    assert append(store, SOME) == [1]


def test_sqlite_file_has_one_owner_who_is_named(sqlite_url: str, open_stores: OpenStores) -> None:
    store = open_stores(sqlite_url)
    create(store)
    said = refusal(sqlite_url)
    assert str(path_of(sqlite_url)) in said
    assert f"process id {os.getpid()}:" in said
    store.close()
    assert open_stores(sqlite_url).get_status("s") == "running"


OWN_AND_WAIT = """\
import sys, time
from agent_session_manager.sql.database.open import open_database
database = open_database(sys.argv[1])
print("owned", flush=True)
time.sleep(60)
"""


def test_owner_that_was_killed_owns_nothing_any_more(
    sqlite_url: str, open_stores: OpenStores
) -> None:
    command = [sys.executable, "-c", OWN_AND_WAIT, sqlite_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "owned\n"
            assert f"process id {owner.pid}:" in refusal(sqlite_url)
        finally:
            owner.kill()
            owner.wait(WATCHDOG_SECONDS)
    assert create(open_stores(sqlite_url)).session_id == "s"


NAME_OF_ANOTHER_START = Owner(
    pid=os.getpid(), started="1", processes=place.processes(), host=place.host()
)


@each_row("left", [b"", b"999999999\n", json.dumps(asdict(NAME_OF_ANOTHER_START)).encode(), b"{"])
def test_owner_that_has_the_lock_and_has_not_written_its_name_yet_is_waited_for(
    tmp_path: Path, left: bytes
) -> None:
    """Whatever stands there until then: nothing, or the name of one that was killed."""
    sqlite_url = sqlite_url_in(tmp_path)
    lock = path_of(sqlite_url).with_name("sessions.db.lock")
    lock.touch(mode=0o600)
    lock.write_bytes(left)
    with lock.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def write_name() -> None:
            file.seek(0)
            file.write(f"{os.getpid()}\n".encode())
            file.truncate()
            file.flush()

        writing = threading.Timer(0.1, write_name)
        writing.start()
        said = refusal(sqlite_url)
        writing.join()
    assert f"process id {os.getpid()}:" in said


def test_owner_in_another_container_is_named_with_its_host(tmp_path: Path) -> None:
    """Its process id may be anybody's here, and is not looked for."""
    sqlite_url = sqlite_url_in(tmp_path)
    lock = path_of(sqlite_url).with_name("sessions.db.lock")
    lock.touch(mode=0o600)
    elsewhere = replace(NAME_OF_ANOTHER_START, processes="other", host="box")
    lock.write_text(json.dumps(asdict(elsewhere)))
    with lock.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said = refusal(sqlite_url)
    assert f"a manager on box, in another container or machine (process id {os.getpid()} " in said


def test_sqlite_files_are_for_their_owner_alone(sqlite_url: str, open_stores: OpenStores) -> None:
    before = os.umask(0)
    try:
        store = open_stores(sqlite_url)
        create(store)
    finally:
        os.umask(before)
    files = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in path_of(sqlite_url).parent.iterdir()
    }
    assert files == {
        "sessions.db": 0o600,
        "sessions.db-shm": 0o600,
        "sessions.db-wal": 0o600,
        "sessions.db.ballast": 0o600,
        "sessions.db.head": 0o600,
        "sessions.db.lock": 0o600,
    }


@each_row("suffix", ["", ".lock"])
def test_sqlite_file_or_lock_that_is_a_link_is_refused(tmp_path: Path, suffix: str) -> None:
    sqlite_url = sqlite_url_in(tmp_path)
    path = path_of(sqlite_url)
    elsewhere = path.with_name("elsewhere")
    elsewhere.touch(0o600)
    path.with_name(path.name + suffix).symlink_to(elsewhere)
    assert f"{path}{suffix}: it is a link" in refusal(sqlite_url)
    assert elsewhere.read_bytes() == b""


@each_row(
    "content",
    [b"x", b"precious text\n" * 300, b"SQLite format 2\0" + b"\0" * 4080, b"\0" * 4096],
    ids=["one byte", "text", "another format", "zeros"],
)
def test_file_that_is_no_database_is_refused_and_left_as_it_is(
    tmp_path: Path, content: bytes
) -> None:
    sqlite_url = sqlite_url_in(tmp_path)
    path = path_of(sqlite_url)
    path.touch(0o600)
    path.write_bytes(content)
    assert "is not a database" in refusal(sqlite_url)
    assert path.read_bytes() == content


def test_damaged_database_is_refused_and_left_as_it_is(
    sqlite_url: str, open_stores: OpenStores
) -> None:
    open_stores(sqlite_url).close()
    path = path_of(sqlite_url)
    content = path.read_bytes()
    damaged = content[:16] + b"\xff" * 84 + content[100:]
    path.write_bytes(damaged)
    assert str(path) in refusal(sqlite_url)
    assert path.read_bytes() == damaged


def test_database_of_another_program_keeps_its_tables(sqlite_url: str) -> None:
    path = path_of(sqlite_url)
    path.touch(0o600)
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE sessions (mine TEXT)")
    other.execute("INSERT INTO sessions VALUES ('precious')")
    other.commit()
    other.close()
    assert str(path) in refusal(sqlite_url)
    other = sqlite3.connect(path)
    assert other.execute("SELECT * FROM sessions").fetchall() == [("precious",)]
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("sessions",)]
    other.close()


@each_row("content", [b"", None], ids=["empty", "none"])
def test_empty_file_becomes_the_database(
    tmp_path: Path, open_stores: OpenStores, content: bytes | None
) -> None:
    sqlite_url = sqlite_url_in(tmp_path)
    if content is not None:
        path_of(sqlite_url).touch(0o600)
        path_of(sqlite_url).write_bytes(content)
    assert create(open_stores(sqlite_url)).session_id == "s"


def test_directory_is_not_a_database(sqlite_url: str) -> None:
    path_of(sqlite_url).mkdir()
    assert "directory" in refusal(sqlite_url)


@each_row(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://h/d", "nonsense", "", "sqlite:////no/dir/x"]
)
def test_url_that_means_no_database_of_ours_is_refused(url: str) -> None:
    assert refusal(url)


def test_password_is_not_shown() -> None:
    said = refusal("postgresql://someone:secret@127.0.0.1:1/none")
    assert "someone:***@127.0.0.1:1/none" in said
    assert "secret" not in said


def test_closed_store_leaves_one_file_with_everything_in_it(
    sqlite_url: str, open_stores: OpenStores
) -> None:
    store = open_stores(sqlite_url)
    create(store)
    append(store, *[SOME] * 100)
    store.get_session("s")
    store.close()
    path = path_of(sqlite_url)
    assert not path.with_name(path.name + "-wal").exists()
    kept = sqlite3.connect(path)
    assert kept.execute("SELECT count(*) FROM events").fetchone() == (100,)
    kept.close()

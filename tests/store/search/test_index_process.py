"""Much is indexed by a process of its own, which can be killed at any time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE

import pytest

from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.sql.search import index_process
from agent_session_manager.sql.search.base import record
from agent_session_manager.sql.search.index_process import IndexProcess, SharedIndex
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.search import IndexPausedError
from agent_shared.sqlite_url import sqlite_url
from tests.commands.processes import is_alive
from tests.store.promises.changes import append, create
from tests.store.promises.events import says
from tests.store.search.searching import index, seqs
from tests.support.api import Api
from tests.support.indexed import wait_for_index
from tests.support.manager import RunningManager
from tests.support.waiting import wait_for


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each step of this process read one event. Another process does not know it."""
    monkeypatch.setattr(record, "CHARS_AT_ONCE", 1)


def process_of(store: SqlStore) -> IndexProcess | None:
    assert isinstance(store.search, SharedIndex)
    return store.search.process


def with_process(store: SqlStore) -> IndexProcess:
    """Fill a store, and make a step after which a process of its own continues."""
    store.share_indexing()
    create(store)
    append(store, *[says("needle")] * 3)
    first = store.search.index_some()
    assert (first.through, first.has_more, first.is_apart) == (1, True, False)
    process = process_of(store)
    assert process is not None
    return process


@pytest.mark.usefixtures("small_steps")
def test_index_survives_the_kill_of_its_process(store: SqlStore) -> None:
    process = with_process(store)
    second = store.search.index_some()
    assert (second.through, second.is_apart) == (3, True)
    append(store, says("needle"))
    process.kill()
    with pytest.raises(StoreUnavailableError, match="ended with -9"):
        store.search.index_some()
    assert index(store) == 4
    assert seqs(store, "needle") == [4, 3, 2, 1]
    last = process_of(store)
    assert last is not None
    assert last.pid != process.pid
    store.close()
    assert not is_alive(last.pid)


@pytest.mark.usefixtures("small_steps")
def test_database_is_found_at_any_path(
    open_stores: Callable[[str], SqlStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    directory = Path("st\udcff?a=%41#b c")
    directory.mkdir(mode=0o700)
    store = open_stores(sqlite_url(directory / "sessions.db"))
    with_process(store)
    second = store.search.index_some()
    assert (second.through, second.is_apart) == (3, True)
    assert seqs(store, "needle") == [3, 2, 1]


@pytest.mark.usefixtures("small_steps")
def test_idle_process_ends_without_a_failed_step(
    sqlite_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_process, "IDLE_SECONDS", 0.0)
    process = with_process(sqlite_store)
    wait_for(lambda: not is_alive(process.pid), "the process has ended")
    monkeypatch.undo()
    assert not sqlite_store.search.index_some().is_apart
    assert process_of(sqlite_store) is None


@pytest.mark.usefixtures("small_steps")
def test_failures_of_the_process_are_those_of_the_index(
    sqlite_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = with_process(sqlite_store)
    for line, expected in (
        (b'{"paused": "12 MB are free"}\n', IndexPausedError),
        (b'{"failed": "it is locked"}\n', StoreUnavailableError),
    ):
        monkeypatch.setattr(process, "ask", lambda line=line: line)
        with pytest.raises(expected, match="12 MB|locked"):
            sqlite_store.search.index_some()
    monkeypatch.undo()
    assert index(sqlite_store) == 3
    assert process_of(sqlite_store) is process


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("program", ["/nowhere/python", shutil.which("false")])
def test_index_continues_without_a_process(
    sqlite_store: SqlStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    program: str,
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    sqlite_store.share_indexing()
    create(sqlite_store)
    append(sqlite_store, *[says("needle")] * 3)
    assert index(sqlite_store) == 3
    assert caplog.text.count("the search index gets no process of its own") == 1


_OWNER = """
import sys
from agent_session_manager.sql.search import index_process
index_process.IDLE_SECONDS = 3600
process = index_process.IndexProcess(sys.argv[1])
process.index_some()
print(process.pid, flush=True)
sys.stdin.read()
"""


def test_process_ends_when_its_owner_is_killed(sqlite_store: SqlStore) -> None:
    command = [sys.executable, "-c", _OWNER, sqlite_store.url]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert is_alive(pid)
        owner.kill()
    wait_for(lambda: not is_alive(pid), "the process has ended")


def test_manager_indexes_much_in_another_process(
    start_manager: Callable[..., RunningManager],
) -> None:
    manager = start_manager()
    with Api(manager) as api:
        api.post("/sessions", {"session_id": "s", "session_name": "s"})
        event = {"event_type": "message", "content": [{"type": "text", "text": "needle"}]}
        for _ in range(3):
            assert api.post("/sessions/s/events", [event] * 1000).status == 201
        wait_for_index(api)
        assert api.get("/search?q=needle").json["hits"][0]["seq"] == 3000
    _, _, rest = manager.log().partition("a process of its own (process ")
    assert manager.stop() == 0
    assert not is_alive(int(rest.partition(")")[0]))

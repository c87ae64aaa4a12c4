"""Full, failing and read-only disks: the responses, and that no acknowledged event is lost."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.support.api import Answer, Api
from tests.support.environment import scrubbed_environment
from tests.support.forked_manager import ForkedManager
from tests.support.load import stored_events
from tests.support.manager import RunningManager
from tests.support.manager_command import run_on_own_disk
from tests.support.namespaces import (
    become_another_user,
    mount_own_disk,
    require_another_user,
    require_own_disk,
)
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

StartManager = Callable[..., RunningManager]

TOKEN = "t" * 40
sees_another_disk = pytest.mark.skipif(
    sys.platform != "linux", reason="sees the disk of another process"
)
_READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM events").fetchone()
print("reading", flush=True)
sys.stdin.read()
"""


@dataclass
class OnOwnDisk:
    """A manager whose state is on a disk that is mounted only for the manager."""

    port: int
    pid: int
    path: Path
    """The path of the disk for the manager."""
    token: str = TOKEN

    @property
    def disk(self) -> Path:
        """The path of the disk as seen by the test."""
        return Path(f"/proc/{self.pid}/root{self.path}")


@contextmanager
def served_on(directory: Path, options: str) -> Iterator[OnOwnDisk]:
    require_own_disk()
    disk = directory / "disk"
    disk.mkdir()
    log_path = directory / "serve.log"
    log_path.touch()
    environment = {**scrubbed_environment(directory), "AGENT_ORCHESTRATOR_TOKEN": TOKEN}
    serve = ["serve", "--port", "0", "--state-dir", f"{disk}/state"]
    process = ForkedManager(serve, environment, log_path, partial(mount_own_disk, disk, options))
    try:
        said = wait_for(
            lambda: re.search(r"serving http://127.0.0.1:(\d+)", log_path.read_text()),
            "the manager serves",
        )
        yield OnOwnDisk(int(said[1]), process.pid, disk)
    finally:
        process.kill()
        process.wait(WATCHDOG_SECONDS)


@contextmanager
def reading(manager: OnOwnDisk) -> Iterator[None]:
    """Hold a read transaction in a process that sees the disk of the manager."""
    seen = ["nsenter", f"--target={manager.pid}", "--user", "--mount", "--preserve-credentials"]
    database = manager.path / "state/sessions.db"
    reader = [sys.executable, "-c", _READER, str(database)]
    with subprocess.Popen(
        [*seen, *reader], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        yield  # the end of the block closes the reader's input, which ends it


def append(api: Api, session_id: str, number: int) -> Answer:
    event = {"event_type": "x", "event_id": f"{session_id}-{number}", "text": "x" * 50_000}
    return api.post(f"/sessions/{session_id}/events", event)


def fill(api: Api, session_id: str, first: int) -> tuple[list[int], Answer]:
    """Append until an event is refused; return the accepted numbers and the refusal."""
    for number in range(first, first + 1000):
        answer = append(api, session_id, number)
        if answer.status != 201:
            return list(range(first, number)), answer
    raise AssertionError("the disk is never full")


@sees_another_disk
def test_full_disk_gives_507_but_allows_reads_and_deletes(
    tmp_path: Path,
) -> None:
    with served_on(tmp_path, "size=8m") as manager, Api(manager) as api:
        (manager.disk / "filler").write_bytes(bytes(1_000_000))
        for name in ("old", "s"):
            assert api.post("/sessions", {"session_id": name, "session_name": name}).status == 201
        for number in range(20):
            assert append(api, "old", number).status == 201
        kept, refused = fill(api, "s", 0)
        assert refused.refusal == (507, "disk_full")
        assert int(refused.headers["retry-after"]) > 0
        assert kept
        assert api.get("/sessions").status == 200
        assert api.delete("/sessions/old").status == 200
        more, refused = fill(api, "s", 1000)
        assert refused.refusal == (507, "disk_full")
        (manager.disk / "filler").unlink()
        assert append(api, "s", 5000).status == 201
        expected = [f"s-{number}" for number in [*kept, *more, 5000]]
        assert list(stored_events(manager, "s").values()) == expected


@sees_another_disk
def test_full_disk_allows_deletion_of_more_than_the_ballast(tmp_path: Path) -> None:
    """A reader keeps the log long, so the deletion has only the ballast, 2 MB, as its space."""
    text = b"x" * 50_000
    with served_on(tmp_path, "size=16m") as manager, Api(manager) as api:
        state = manager.disk / "state"
        for name in ("old", "s"):
            assert api.post("/sessions", {"session_id": name, "session_name": name}).status == 201
        for number in range(60):
            assert append(api, "old", number).status == 201
        with reading(manager):
            fill(api, "s", 0)
            assert api.delete("/sessions/old").status == 200
            assert not (state / "sessions.db.ballast").exists()
        # Deleted data leaves the file, and the ballast is made again.
        assert api.delete("/sessions/s").status == 200
        wait_for((state / "sessions.db.ballast").exists, "the manager is idle")
        assert text not in (state / "sessions.db").read_bytes()


@sees_another_disk
def test_search_index_leaves_the_last_space_to_the_record(tmp_path: Path) -> None:
    """It pauses below a twentieth of the disk, 3.2 MB, and continues when there is space."""
    with served_on(tmp_path, "size=64m") as manager, Api(manager) as api:
        api.post("/sessions", {"session_id": "s", "session_name": "s"})
        wait_for_index(api, "current")
        free = os.statvfs(manager.disk)
        filler = manager.disk / "filler"
        filler.write_bytes(bytes(free.f_bavail * free.f_frsize - 2_000_000))
        assert append(api, "s", 1).status == 201
        wait_for_index(api, "paused")
        page = api.get("/search?q=x").json
        assert (page["hits"], page["indexed_through"], page["newest"]) == ([], 0, 1)
        log = (tmp_path / "serve.log").read_text()
        assert "the search index is paused: the disk of" in log
        assert append(api, "s", 2).status == 201
        filler.unlink()
        wait_for_index(api, "current")
        assert api.get("/search?q=x").json["indexed_through"] == 2


def wait_for_index(api: Api, state: str) -> None:
    wait_for(lambda: api.get("/health").json["search_index"] == state, f"the index is {state}")


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
def test_failed_commit_ends_the_manager_and_loses_nothing(
    start_manager: StartManager,
) -> None:
    manager = start_manager()
    with Api(manager) as api:
        api.post("/sessions", {"session_id": "s", "session_name": "s"})
        acknowledged = [number for number in range(4) if append(api, "s", number).status == 201]
        log = manager.state_dir / "sessions.db-wal"
        _, hard = resource.prlimit(manager.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(manager.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, hard))
        assert append(api, "s", 4).refusal == (503, "store_unavailable")
    assert manager.process.wait(WATCHDOG_SECONDS) == 1
    assert "the disk failed during a commit" in manager.log()
    assert '"trace": ' not in manager.log()
    manager.restart()
    assert list(stored_events(manager, "s").values()) == [f"s-{n}" for n in acknowledged]


def test_database_on_a_read_only_disk_is_refused(tmp_path: Path) -> None:
    """The disk is read-only, because that also stops root."""
    disk = tmp_path / "disk"
    serve = ["serve", "--port", "0", "--database-url", f"sqlite:///{disk}/sessions.db"]
    ended = run_on_own_disk(disk, "ro", serve, scrubbed_environment(tmp_path))
    assert ended.returncode == 1
    assert f"cannot use {disk}/sessions.db: Read-only file system" in ended.stderr
    assert '"trace": ' not in ended.stderr


def test_read_only_database_file_is_refused(start_manager: StartManager) -> None:
    is_root = os.geteuid() == 0  # root may write everywhere
    if is_root:
        require_another_user()
    manager = start_manager(prepare=become_another_user if is_root else None)
    manager.stop()
    database = manager.state_dir / "sessions.db"
    database.chmod(0o400)
    before = database.read_bytes()
    with pytest.raises(AssertionError, match=r"cannot use .*: Permission denied"):
        manager.restart()
    assert database.read_bytes() == before

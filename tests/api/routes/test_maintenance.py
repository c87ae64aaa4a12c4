"""The commands backup, verify and restore, with and without a running manager."""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.support.api import Api
from tests.support.load import load
from tests.support.manager import RunningManager
from tests.support.manager_command import assert_failed, run, run_on_own_disk
from tests.support.rows import each_row

StartManager = Callable[..., RunningManager]
COMMANDS = (["backup", "copy.db"], ["verify"], ["restore", "copy.db"])


def kept_events(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT event_id, seq FROM events").fetchall())


def test_backup_under_load_has_every_event_acknowledged_before(
    manager: RunningManager, session_id: str, tmp_path: Path
) -> None:
    with load(manager, session_id, threads=4) as writing:
        for number in range(3):
            writing.wait_until_acknowledged(len(writing.acknowledged) + 50)
            before = dict(writing.acknowledged)
            copy = tmp_path / f"{number}.db"
            ran = run(manager.home, "backup", str(copy), "--json", state=manager.state_dir)
            assert (ran.returncode, ran.stderr) == (0, "")
            kept = kept_events(copy)
            assert before.items() <= kept.items()
            said = json.loads(ran.stdout)
            assert said == {
                "file": str(copy),
                "database": str(manager.state_dir / "sessions.db"),
                "bytes": copy.stat().st_size,
                "revision": said["revision"],
                "sessions": said["sessions"],
                "events": len(kept),
            }
            assert stat.S_IMODE(copy.stat().st_mode) == 0o600
            whole = run(manager.home, "verify", str(copy))
            assert (whole.returncode, whole.stderr) == (0, "")
            assert f"{copy} is whole: " in whole.stdout
        assert writing.refused == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.db", "1.db", "2.db"]


def test_verify_succeeds_under_load(manager: RunningManager, session_id: str) -> None:
    with load(manager, session_id, threads=4) as writing:
        for _ in range(3):
            writing.wait_until_acknowledged(len(writing.acknowledged) + 50)
            ran = run(manager.home, "verify", state=manager.state_dir)
            assert (ran.returncode, ran.stderr) == (0, "")
        assert writing.refused == []


def test_backup_does_not_overwrite_a_file(manager: RunningManager, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("x")
    ran = run(manager.home, "backup", str(precious), state=manager.state_dir)
    assert_failed(ran, 1, str(precious), "exists already")
    assert precious.read_text() == "x"


def test_restore_is_refused_while_a_manager_runs(
    manager: RunningManager, session_id: str, api: Api, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    assert run(manager.home, "backup", str(copy), state=manager.state_dir).returncode == 0
    ran = run(manager.home, "restore", str(copy), state=manager.state_dir)
    assert_failed(ran, 1, str(manager.pid), "agent-session-manager stop")
    assert not list(manager.state_dir.glob("*.replaced-*"))
    assert api.post(f"/sessions/{session_id}/events", {"event_type": "x"}).status == 201


def test_manager_serves_the_backup_and_refuses_older_cursors(
    start_manager: StartManager, tmp_path: Path
) -> None:
    own = start_manager()
    copy = tmp_path / "a backup?#%41.db"
    with Api(own) as api:
        api.post("/sessions", {"session_id": "s", "session_name": "s"})
        api.post("/sessions/s/events", {"event_type": "x", "event_id": "kept"})
        backed_up = run(own.home, "backup", str(copy), state=own.state_dir)
        assert f"to {copy}: 1 session and 1 event" in backed_up.stdout
        api.post("/sessions/s/events", {"event_type": "x", "event_id": "after"})
        cursor = api.get("/sessions?limit=10").json["cursor"]
    own.kill()
    assert run(own.home, "verify", str(copy)).returncode == 0
    ran = run(own.home, "restore", str(copy), state=own.state_dir)
    assert (ran.returncode, ran.stderr) == (0, "")
    (aside,) = own.state_dir.glob("sessions.db.replaced-*")
    assert f"from {copy}: 1 session and 1 event\n" in ran.stdout
    assert f"the replaced database is kept as {aside}\n" in ran.stdout
    assert set(kept_events(aside)) == {"kept", "after"}
    own.restart()
    with Api(own) as api:
        events = api.get("/sessions/s/events").json["events"]
        assert [event["event_id"] for event in events] == ["kept"]
        accept = {"Accept": "text/event-stream"}
        answer = api.call("GET", f"/sessions?cursor={cursor}", headers=accept)
        assert answer.status == 410
        assert answer.json["code"] == "cursor_unknown"


def test_restore_creates_a_missing_state_directory(
    manager: RunningManager, session_id: str, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    assert run(manager.home, "backup", str(copy), state=manager.state_dir).returncode == 0
    state = tmp_path / "state"
    assert run(tmp_path, "restore", str(copy), state=state).returncode == 0
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert run(tmp_path, "verify", state=state).returncode == 0


def test_damaged_database_is_not_served_and_not_changed(
    start_manager: StartManager, tmp_path: Path
) -> None:
    own = start_manager()
    copy = tmp_path / "copy.db"
    assert run(own.home, "backup", str(copy), state=own.state_dir).returncode == 0
    assert own.stop() == 0
    database = own.state_dir / "sessions.db"
    content = database.read_bytes()
    damaged = content[:4096] + b"\xff" * 4096 + content[8192:]
    database.write_bytes(damaged)
    ran = run(own.home, "serve", "--port", "0", state=own.state_dir)
    assert_failed(ran, 1, str(database), "damaged", "session-manager verify", "restore FILE")
    assert database.read_bytes() == damaged
    found = run(own.home, "verify", state=own.state_dir)
    assert (found.returncode, found.stdout) == (1, "")
    said = found.stderr.splitlines()
    assert said != []
    assert all(line.startswith("agent-session-manager: ") for line in said)
    assert_failed(run(own.home, "backup", str(tmp_path / "x"), state=own.state_dir), 1, "damaged")
    assert run(own.home, "restore", str(copy), state=own.state_dir).returncode == 0
    own.restart()
    assert run(own.home, "verify", state=own.state_dir).returncode == 0


@each_row("options", ["size=64k", "ro"])
def test_backup_to_a_failing_disk_fails_and_leaves_no_file(
    manager: RunningManager, tmp_path: Path, options: str
) -> None:
    disk = tmp_path / "disk"
    ran = run_on_own_disk(disk, options, ["backup", f"{disk}/copy.db"], manager.environment())
    assert (ran.returncode, ran.stdout) == (1, "")
    (said,) = ran.stderr.splitlines()
    assert said.startswith("agent-session-manager: cannot ")
    assert str(disk) in said


@each_row("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_maintenance_of_postgresql_refers_to_its_own_tools(
    tmp_path: Path, arguments: list[str]
) -> None:
    url = "postgresql://u:secret@127.0.0.1:1/x"
    ran = run(tmp_path, *arguments, "--database-url", url)
    assert_failed(ran, 1, "u:***@127.0.0.1:1/x", "not SQLite", "pg_dump")
    assert "secret" not in ran.stderr


@each_row("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_missing_database_is_an_error_and_is_not_created(
    tmp_path: Path, arguments: list[str]
) -> None:
    state = tmp_path / "state"
    ran = run(tmp_path, *arguments, state=state)
    assert_failed(ran, 1, "no database at")
    assert not (state / "sessions.db").exists()


def test_backup_file_can_be_verified_with_postgresql_configured(
    manager: RunningManager, session_id: str, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    assert run(manager.home, "backup", str(copy), state=manager.state_dir).returncode == 0
    other = {"AGENT_ORCHESTRATOR_DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    assert run(tmp_path, "verify", str(copy), variables=other).returncode == 0


def test_verify_of_two_databases_is_a_usage_error(tmp_path: Path) -> None:
    ran = run(tmp_path, "verify", "copy.db", "--database-url", "sqlite:///x.db")
    assert (ran.returncode, ran.stdout) == (2, "")

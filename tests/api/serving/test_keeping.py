"""Vacuum, export, import and automatic backups: as commands and as tasks of a manager."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.support.api import Api
from tests.support.load import load
from tests.support.manager import PROGRAM, RunningManager
from tests.support.manager_command import assert_failed, run, run_on_own_disk
from tests.support.namespaces import on_required_disk
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

StartManager = Callable[..., RunningManager]
LONG = {"event_type": "x", "text": "x" * 20_000}


def delete_much(api: Api, session_id: str, *, lists: int = 5) -> None:
    """Delete a session of some megabytes."""
    assert api.post("/sessions", {"session_id": session_id, "session_name": "n"}).status == 201
    for _ in range(lists):
        assert api.post(f"/sessions/{session_id}/events", [LONG] * 50).status == 201
    assert api.delete(f"/sessions/{session_id}").status == 200


def test_vacuum_runs_in_the_serving_manager_and_allows_appends(
    manager: RunningManager, api: Api, session_id: str
) -> None:
    database = manager.state_dir / "sessions.db"
    with load(manager, session_id, threads=2) as writing:
        delete_much(api, "much")
        ran = run(manager.home, "vacuum", "--json", state=manager.state_dir)
        assert (ran.returncode, ran.stderr) == (0, "")
        said = json.loads(ran.stdout)
        assert said["database"] == str(database)
        assert said["freed_bytes"] == said["before_bytes"] - said["after_bytes"] > 4_000_000
        writing.wait_until_acknowledged(len(writing.acknowledged) + 10)
        assert writing.refused == []
    assert run(manager.home, "verify", state=manager.state_dir).returncode == 0
    again = run(manager.home, "vacuum", state=manager.state_dir)
    assert again.stdout.startswith(f"{database} takes ")


def test_vacuum_rebuilds_the_file_without_a_manager(start_manager: StartManager) -> None:
    own = start_manager()
    with Api(own) as api:
        delete_much(api, "much")
    assert own.stop() == 0
    before = (own.state_dir / "sessions.db").stat().st_size
    ran = run(own.home, "vacuum", "--json", state=own.state_dir)
    assert ran.returncode == 0
    after = (own.state_dir / "sessions.db").stat().st_size
    assert json.loads(ran.stdout)["freed_bytes"] == before - after > 4_000_000


def test_vacuum_of_a_database_in_use_names_the_process(
    manager: RunningManager, tmp_path: Path
) -> None:
    url = f"sqlite:///{manager.state_dir / 'sessions.db'}"
    ran = run(tmp_path, "vacuum", "--database-url", url, state=tmp_path / "other")
    assert_failed(ran, 1, f"process id {manager.pid}")


def test_vacuum_on_a_full_disk_fails_and_loses_nothing(
    manager: RunningManager, api: Api, session_id: str, tmp_path: Path
) -> None:
    for _ in range(2):
        assert api.post(f"/sessions/{session_id}/events", [LONG] * 50).status == 201
    copy = tmp_path / "copy.db"
    assert run(manager.home, "backup", str(copy), state=manager.state_dir).returncode == 0
    disk = tmp_path / "disk"
    options = f"size={copy.stat().st_size + 200_000}"
    database = disk / "sessions.db"
    vacuum = f"TMPDIR={disk} SQLITE_TMPDIR={disk} {PROGRAM} vacuum"
    url = f"--database-url sqlite:///{database}"
    script = f"cp {copy} {database} && {vacuum} {url}; echo $?; {PROGRAM} verify {database}"
    disk.mkdir()
    ran = subprocess.run(
        on_required_disk(disk, options, ["sh", "-c", script]),
        env=manager.environment(),
        capture_output=True,
        text=True,
        timeout=WATCHDOG_SECONDS,
        check=False,
    )
    code, whole = ran.stdout.splitlines()
    assert code == "1"
    assert f"{database} is whole" in whole
    (said,) = ran.stderr.splitlines()
    assert said.startswith(f"agent-session-manager: cannot vacuum {database}: ")
    assert "full" in said


def test_export_of_a_served_database_imports_into_another(
    manager: RunningManager, session_id: str, api: Api, tmp_path: Path
) -> None:
    file, again = tmp_path / "all.jsonl", tmp_path / "again.jsonl"
    with load(manager, session_id, threads=2) as writing:
        writing.wait_until_acknowledged(50)
        before = len(writing.acknowledged)
        ran = run(manager.home, "export", str(file), "--json", state=manager.state_dir)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert writing.refused == []
    said = json.loads(ran.stdout)
    assert said["events"] >= before
    assert (said["file"], said["bytes"]) == (str(file), file.stat().st_size)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    other = tmp_path / "state"
    ran = run(tmp_path, "import", str(file), "--json", state=other)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert stat.S_IMODE(other.stat().st_mode) == 0o700
    assert json.loads(ran.stdout)["events"] == said["events"]
    assert run(tmp_path, "verify", state=other).returncode == 0
    assert run(tmp_path, "export", str(again), state=other).returncode == 0
    assert again.read_bytes().partition(b"\n")[2] == file.read_bytes().partition(b"\n")[2]


def test_export_can_be_piped_into_import(
    manager: RunningManager, session_id: str, api: Api, tmp_path: Path
) -> None:
    api.post(f"/sessions/{session_id}/events", [{"event_type": "x"}] * 3)
    out = f"{PROGRAM} export --session {session_id}"
    into = f"{PROGRAM} import - --state-dir {tmp_path / 'state'}"
    ran = subprocess.run(
        ["sh", "-c", f"{out} | {into}"],
        env=manager.environment(),
        capture_output=True,
        text=True,
        timeout=WATCHDOG_SECONDS,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("imported -: 1 session, 1 run, 3 events\n", "")


def test_failed_export_leaves_no_file(
    manager: RunningManager, session_id: str, tmp_path: Path
) -> None:
    file = tmp_path / "all.jsonl"
    arguments = ("export", str(file), "--session", "unknown")
    assert_failed(run(manager.home, *arguments, state=manager.state_dir), 1, "no session 'unknown'")
    assert list(tmp_path.iterdir()) == []
    file.write_text("precious")
    ran = run(manager.home, "export", str(file), state=manager.state_dir)
    assert_failed(ran, 1, str(file), "exists already")
    assert file.read_text() == "precious"
    ran = run(manager.home, "export", "--json", state=manager.state_dir)
    assert (ran.returncode, ran.stdout) == (2, "")


def test_export_to_a_full_disk_fails_and_leaves_no_file(
    manager: RunningManager, session_id: str, api: Api, tmp_path: Path
) -> None:
    assert api.post(f"/sessions/{session_id}/events", [LONG] * 10).status == 201
    disk = tmp_path / "disk"
    export = ["export", f"{disk}/all.jsonl"]
    ran = run_on_own_disk(disk, "size=64k", export, manager.environment())
    assert (ran.returncode, ran.stdout) == (1, "")
    (said,) = ran.stderr.splitlines()
    assert said.startswith(f"agent-session-manager: cannot write in {disk}")


def test_import_is_refused_with_a_manager_or_an_invalid_file(
    manager: RunningManager, session_id: str, tmp_path: Path
) -> None:
    file = tmp_path / "all.jsonl"
    assert run(manager.home, "export", str(file), state=manager.state_dir).returncode == 0
    ran = run(manager.home, "import", str(file), state=manager.state_dir)
    assert_failed(ran, 1, str(manager.pid), "agent-session-manager stop")
    state = tmp_path / "state"
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(file.read_bytes()[:-10])
    assert_failed(run(tmp_path, "import", str(cut), state=state), 1, str(cut), "cut off")
    assert_failed(run(tmp_path, "import", str(tmp_path / "none"), state=state), 1, "cannot read")
    assert run(tmp_path, "import", str(file), state=state).returncode == 0
    ran = run(tmp_path, "import", str(file), state=state)
    assert_failed(ran, 1, f"session '{session_id}'", "--skip-existing")
    ran = run(tmp_path, "import", str(file), "--skip-existing", state=state)
    assert ran.returncode == 0
    assert "left as they are" in ran.stdout


def test_export_shows_progress_on_a_terminal(
    manager: RunningManager, session_id: str, api: Api, tmp_path: Path
) -> None:
    api.post(f"/sessions/{session_id}/events", [{"event_type": "x"}] * 3)
    ours, theirs = pty.openpty()
    try:
        ran = subprocess.run(
            [PROGRAM, "export", str(tmp_path / "all.jsonl")],
            env={**manager.environment(), "TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=WATCHDOG_SECONDS,
            check=False,
        )
        os.close(theirs)
        seen = os.read(ours, 10_000)
    finally:
        os.close(ours)
    assert ran.returncode == 0
    assert b"exporting" in seen
    assert b"100%" in seen


def test_manager_makes_automatic_backups_if_configured(start_manager: StartManager) -> None:
    own = start_manager(arguments=["--backup-every", "24", "--backups-kept", "2"])
    directory = own.state_dir / "backups"

    def made() -> list[Path] | None:
        return list(directory.glob("sessions-*Z.db")) or None

    (file,) = wait_for(made, "a backup exists")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run(own.home, "verify", str(file)).returncode == 0
    wait_for(lambda: f"backed up to {file}: 0 sessions" in own.log(), "the backup is logged")
    assert own.stop() == 0


def test_failed_automatic_backup_is_logged_and_serving_continues(
    start_manager: StartManager, tmp_path: Path
) -> None:
    state = tmp_path / "own" / "state"
    state.mkdir(mode=0o700, parents=True)
    (state / "backups").write_text("not a directory")
    own = start_manager(tmp_path / "own", arguments=["--backup-every", "1"])
    said = f"a backup could not be made: {state / 'backups'}: it is not a directory"
    wait_for(lambda: said in own.log(), "the backup is logged")
    assert '"trace": ' not in own.log()
    with Api(own) as api:
        assert api.get("/health").status == 200


def test_automatic_backups_need_sqlite(tmp_path: Path) -> None:
    variables = {
        "AGENT_ORCHESTRATOR_DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x",
        "AGENT_ORCHESTRATOR_BACKUP_EVERY_HOURS": "1",
    }
    ran = run(tmp_path, "serve", "--port", "0", variables=variables)
    assert_failed(ran, 1, "not SQLite", "pg_dump")


@each_row("command", ["export", "import", "vacuum", "backup", "restore", "verify"])
def test_help_shows_an_example(tmp_path: Path, command: str) -> None:
    ran = run(tmp_path, command, "--help")
    assert ran.returncode == 0
    assert f"agent-session-manager {command}" in ran.stdout.partition("Example")[2]

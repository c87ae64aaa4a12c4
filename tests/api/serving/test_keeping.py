"""Vacuum, exports, imports, backups by itself: as commands and as what a manager does."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.serving.test_serving import assert_failed, run
from tests.support.api import Api
from tests.support.environment import scrubbed_environment
from tests.support.load import load
from tests.support.manager import PROGRAM, RunningManager
from tests.support.own_disk import on_own_disk
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

StartManager = Callable[..., RunningManager]
LONG = {"event_type": "x", "text": "x" * 20_000}


def delete_much(api: Api, session_id: str, *, lists: int = 5) -> None:
    """Delete a session that takes some megabytes."""
    assert api.post("/sessions", {"session_id": session_id, "session_name": "n"}).status == 201
    for _ in range(lists):
        assert api.post(f"/sessions/{session_id}/events", [LONG] * 50).status == 201
    assert api.delete(f"/sessions/{session_id}").status == 200


def test_vacuum_asks_the_manager_that_serves_and_appends_go_on(
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


def test_vacuum_rebuilds_the_file_of_a_manager_that_is_gone(start_manager: StartManager) -> None:
    own = start_manager()
    with Api(own) as api:
        delete_much(api, "much")
    assert own.stop() == 0
    before = (own.state_dir / "sessions.db").stat().st_size
    ran = run(own.home, "vacuum", "--json", state=own.state_dir)
    assert ran.returncode == 0
    after = (own.state_dir / "sessions.db").stat().st_size
    assert json.loads(ran.stdout)["freed_bytes"] == before - after > 4_000_000


def test_vacuum_of_a_database_that_somebody_else_serves_names_him(
    manager: RunningManager, tmp_path: Path
) -> None:
    url = f"sqlite:///{manager.state_dir / 'sessions.db'}"
    ran = run(tmp_path, "vacuum", "--database-url", url, state=tmp_path / "other")
    assert_failed(ran, 1, f"process id {manager.pid}")


def test_vacuum_on_a_full_disk_says_so_and_loses_nothing(
    manager: RunningManager, api: Api, session_id: str, tmp_path: Path
) -> None:
    for _ in range(2):
        assert api.post(f"/sessions/{session_id}/events", [LONG] * 50).status == 201
    copy = tmp_path / "copy.db"
    assert run(manager.home, "backup", str(copy), state=manager.state_dir).returncode == 0
    disk = tmp_path / "disk"
    disk.mkdir()
    options = f"size={copy.stat().st_size + 200_000}"
    database = disk / "sessions.db"
    vacuum = f"TMPDIR={disk} SQLITE_TMPDIR={disk} {PROGRAM} vacuum"
    url = f"--database-url sqlite:///{database}"
    script = f"cp {copy} {database} && {vacuum} {url}; echo $?; {PROGRAM} verify {database}"
    line = on_own_disk(disk, options, ["sh", "-c", script])
    if line is None:
        pytest.skip("no file system of its own on this machine")
    ran = subprocess.run(
        line,
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
    assert said.startswith(f"agent-session-manager: cannot vacuum {database}, which is as it was")
    assert "full" in said


def test_everything_moves_from_beside_a_manager_to_another_state_directory(
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


def test_export_and_import_are_parts_of_a_pipe(
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
    assert (ran.stdout, ran.stderr) == ("imported -: 1 sessions, 1 runs, 3 events\n", "")


def test_what_cannot_be_exported_leaves_nothing(
    manager: RunningManager, session_id: str, tmp_path: Path
) -> None:
    file = tmp_path / "all.jsonl"
    arguments = ("export", str(file), "--session", "nobody")
    assert_failed(run(manager.home, *arguments, state=manager.state_dir), 1, "no session 'nobody'")
    assert list(tmp_path.iterdir()) == []
    file.write_text("precious")
    ran = run(manager.home, "export", str(file), state=manager.state_dir)
    assert_failed(ran, 1, str(file), "is there already")
    assert file.read_text() == "precious"
    ran = run(manager.home, "export", "--json", state=manager.state_dir)
    assert (ran.returncode, ran.stdout) == (2, "")


def test_export_to_a_full_disk_says_so_and_leaves_nothing(
    manager: RunningManager, session_id: str, api: Api, tmp_path: Path
) -> None:
    assert api.post(f"/sessions/{session_id}/events", [LONG] * 10).status == 201
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f"{PROGRAM} export {disk}/all.jsonl; echo $?; ls -A {disk}"
    line = on_own_disk(disk, "size=64k", ["sh", "-c", script])
    if line is None:
        pytest.skip("no file system of its own on this machine")
    ran = subprocess.run(
        line,
        env=manager.environment(),
        capture_output=True,
        text=True,
        timeout=WATCHDOG_SECONDS,
        check=False,
    )
    assert ran.stdout == "1\n"
    (said,) = ran.stderr.splitlines()
    assert said.startswith(f"agent-session-manager: cannot write in {disk}")


def test_import_beside_a_manager_or_of_what_is_wrong_is_refused(
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


def test_person_at_a_terminal_sees_how_far_it_has_come(
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


def test_manager_backs_itself_up_when_it_is_told_to(start_manager: StartManager) -> None:
    own = start_manager(arguments=["--backup-every", "24", "--backups-kept", "2"])
    directory = own.state_dir / "backups"

    def made() -> list[Path] | None:
        return list(directory.glob("sessions-*Z.db")) or None

    (file,) = wait_for(made, "a backup is there")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run(own.home, "verify", str(file)).returncode == 0
    wait_for(lambda: f"backed up to {file}: 0 sessions" in own.log(), "it is logged")
    assert own.stop() == 0


def test_backup_that_the_manager_could_not_make_is_logged_and_it_goes_on(
    start_manager: StartManager, tmp_path: Path
) -> None:
    state = tmp_path / "own" / "state"
    state.mkdir(mode=0o700, parents=True)
    (state / "backups").write_text("in the way")
    own = start_manager(tmp_path / "own", arguments=["--backup-every", "1"])
    said = f"a backup could not be made: cannot create {state / 'backups'}"
    wait_for(lambda: said in own.log(), "it is logged")
    assert "Traceback" not in own.log()
    with Api(own) as api:
        assert api.get("/health").status == 200


def test_backups_by_itself_are_of_sqlite(tmp_path: Path) -> None:
    variables = {
        "AGENT_ORCHESTRATOR_DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x",
        "AGENT_ORCHESTRATOR_BACKUP_EVERY_HOURS": "1",
    }
    ran = run(tmp_path, "serve", "--port", "0", variables=variables)
    assert_failed(ran, 1, "not SQLite", "pg_dump")


@each_row("command", ["export", "import", "vacuum", "backup", "restore", "verify"])
def test_help_shows_an_example(tmp_path: Path, command: str) -> None:
    ran = subprocess.run(
        [PROGRAM, command, "--help"],
        env=scrubbed_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=WATCHDOG_SECONDS,
        check=True,
    )
    assert f"agent-session-manager {command}" in ran.stdout.partition("Example")[2]

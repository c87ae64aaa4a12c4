"""Private files, as the manager and as commands open them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent_orchestrator.outbox.outbox import Outbox, OutboxError, Run
from agent_orchestrator.runs.registry import RegisteredRun, registered
from agent_orchestrator.runs.seal import seal
from agent_session_manager.machine.discovery import DiscoveryError, DiscoveryFile
from agent_session_manager.sql.care.backup import back_up
from agent_session_manager.sql.database.engines.open import open_database
from agent_session_manager.sql.database.errors import DatabaseError
from agent_shared import private_files
from tests.support.rows import each_row

OTHER_USER = 65534
OTHER_OWNER = "belongs to another user"


@pytest.fixture(autouse=True)
def _without_umask() -> Iterator[None]:
    """Set the umask to 0: private files must not depend on it."""
    before = os.umask(0)
    yield
    os.umask(before)


def a_link(path: Path) -> str:
    path.with_suffix(".elsewhere").touch(0o600)
    path.symlink_to(path.with_suffix(".elsewhere"))
    return "is a link"


def a_link_to_nothing(path: Path) -> str:
    path.symlink_to(path.with_suffix(".nothing"))
    return "is a link"


def another_name(path: Path) -> str:
    path.with_suffix(".elsewhere").touch(0o600)
    path.hardlink_to(path.with_suffix(".elsewhere"))
    return "has more than one name"


def a_pipe(path: Path) -> str:
    os.mkfifo(path, 0o600)
    return "is not a file"


def open_to_a_group(path: Path) -> str:
    path.touch(0o640)
    return f"open to others: chmod 600 {path}"


def open_to_all(path: Path) -> str:
    path.touch(0o644)
    return f"open to others: chmod 600 {path}"


def of_another_user(path: Path) -> str:
    if os.geteuid() == 0:
        path.touch(0o600)
        os.chown(path, OTHER_USER, OTHER_USER)
        return OTHER_OWNER
    path.symlink_to("/etc/passwd")  # without root, a file of another user can only be linked to
    return "is a link"


WAYS = [a_link, a_link_to_nothing, another_name, a_pipe, open_to_a_group, open_to_all,
        of_another_user]  # fmt: skip
Spoil = Callable[[Path], str]


def opened(path: Path) -> None:
    os.close(private_files.open_private(path))


def opened_as_a_log(path: Path) -> None:
    os.close(private_files.open_private(path, append=True))


def opened_as_a_discovery_file(path: Path) -> None:
    DiscoveryFile(path).close()


def opened_as_a_database(path: Path) -> None:
    database = open_database(f"sqlite:///{path}")
    try:
        with database.writing.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE x (y TEXT)")
        names = ("", "-wal", "-shm", ".lock")
        modes = {stat.S_IMODE(Path(f"{path}{name}").stat().st_mode) for name in names}
        assert modes == {0o600}
    finally:
        database.close()


def opened_as_an_outbox(path: Path) -> None:
    outbox = Outbox(path, Run(session_id="s", run=1, url="u"))
    outbox.add({"event_type": "x"})
    names = (path, f"{path}-wal", f"{path}-shm", path.with_suffix(".lock"))
    assert {stat.S_IMODE(Path(name).stat().st_mode) for name in names} == {0o600}
    outbox.close()


OPENINGS = [opened, opened_as_a_log,
            opened_as_a_discovery_file, opened_as_a_database, opened_as_an_outbox]  # fmt: skip
Open = Callable[[Path], None]
REFUSALS = (OSError, DiscoveryError, DatabaseError, OutboxError)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return path_in(tmp_path)


def path_in(tmp_path: Path) -> Path:
    directory = tmp_path / "own"
    directory.mkdir(0o700)
    return directory / "file.db"


def refusal(opening: Callable[[], object]) -> str:
    with pytest.raises(REFUSALS) as caught:
        opening()
    return str(caught.value)


@each_row("opening", OPENINGS)
@each_row("spoil", WAYS)
def test_file_that_is_not_private_is_refused_with_advice(
    tmp_path: Path, opening: Open, spoil: Spoil
) -> None:
    path = path_in(tmp_path)
    said = spoil(path)
    before = path.lstat()
    refused = refusal(lambda: opening(path))
    assert said in refused
    assert str(path) in refused
    assert path.lstat()[:6] == before[:6]
    assert not path.with_suffix(".nothing").exists()


@each_row("opening", OPENINGS)
def test_missing_file_is_created_private_and_opened_again(tmp_path: Path, opening: Open) -> None:
    path = path_in(tmp_path)
    for _ in range(2):
        if opening is opened_as_a_database:
            path.unlink(missing_ok=True)
        opening(path)
        assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} <= {0o600}


@each_row("spoil", WAYS)
@each_row("suffix", ["-wal", "-shm", ".lock", ".head", ".ballast"])
def test_files_next_to_a_database_are_checked_too(
    tmp_path: Path, suffix: str, spoil: Spoil
) -> None:
    path = path_in(tmp_path)
    beside = Path(f"{path}{suffix}")
    said = spoil(beside)
    refused = refusal(lambda: opened_as_a_database(path))
    assert said in refused and str(beside) in refused


@each_row("spoil", WAYS)
@each_row("suffix", ["-wal", "-shm"])
def test_files_next_to_an_outbox_are_checked_too(tmp_path: Path, suffix: str, spoil: Spoil) -> None:
    path = path_in(tmp_path)
    said = spoil(Path(f"{path}{suffix}"))
    assert said in refusal(lambda: opened_as_an_outbox(path))


@each_row("spoil", WAYS)
def test_lock_of_an_outbox_is_checked_too(tmp_path: Path, spoil: Spoil) -> None:
    path = path_in(tmp_path)
    said = spoil(path.with_suffix(".lock"))
    assert said in refusal(lambda: opened_as_an_outbox(path))


@each_row("spoil", [w for w in WAYS if w is not another_name])
def test_seal_key_is_checked_too(tmp_path: Path, spoil: Spoil) -> None:
    state = tmp_path / "state"
    state.mkdir(0o700)
    said = spoil(state / "seal.key")
    assert said in refusal(lambda: seal({}, session_id="s", run=1, state_dir=state))


@each_row("spoil", WAYS)
def test_file_of_a_registered_run_is_checked_too(tmp_path: Path, spoil: Spoil) -> None:
    run = RegisteredRun(session_id="s", session_name="s", project_dir="/", run=1, pid=1, marker="m")
    directory = tmp_path / "state" / "runs"
    directory.mkdir(0o700, parents=True)
    said = spoil(directory / "s.1.json")

    def register() -> None:
        with registered(run, tmp_path / "state"):
            pass

    assert said in refusal(register)


def test_seal_key_and_registered_run_are_created_private(tmp_path: Path) -> None:
    state = tmp_path / "state"
    run = RegisteredRun(session_id="s", session_name="s", project_dir="/", run=1, pid=1, marker="m")
    seal({}, session_id="s", run=1, state_dir=state)
    with registered(run, state):
        made = {
            each.relative_to(state).as_posix(): stat.S_IMODE(each.stat().st_mode)
            for each in state.rglob("*")
        }
    assert made == {"seal.key": 0o600, "runs": 0o700, "runs/s.1.json": 0o600}


def test_database_is_refused_in_a_directory_others_can_write(path: Path) -> None:
    path.parent.chmod(0o1777)
    said = refusal(lambda: opened_as_a_database(path))
    assert f"others can write in {path.parent}: chmod go-w" in said
    assert list(path.parent.iterdir()) == []


def test_database_is_refused_in_a_directory_of_another_user(path: Path) -> None:
    if os.geteuid() != 0:
        assert "belongs to another user" in refusal(lambda: opened_as_a_database(Path("/proc/1/x")))
        return
    os.chown(path.parent, OTHER_USER, OTHER_USER)
    assert f"{path.parent} belongs to another user" in refusal(lambda: opened_as_a_database(path))


def test_state_directory_open_to_others_is_refused_by_commands(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(0o755)
    said = refusal(lambda: private_files.make_state_directory(state))
    assert f"chmod 700 {state}" in said
    link = tmp_path / "link"
    link.symlink_to(state)
    assert "not a directory of yours" in refusal(lambda: private_files.make_state_directory(link))


@each_row(
    "name", ["seal.key", "sessions.db.before-0012", "outbox", "Documents", ".ssh", "x.db.txt"]
)
def test_only_a_directory_of_ours_is_to_be_closed(tmp_path: Path, name: str) -> None:
    """`chmod 700 /tmp` would do harm."""
    tmp_path.chmod(0o755)
    (tmp_path / name).touch()
    said = refusal(lambda: private_files.make_state_directory(tmp_path))
    is_ours = name in ("seal.key", "sessions.db.before-0012", "outbox", "x.db.txt")
    assert ("chmod" in said) == is_ours
    assert ("choose a directory that has only this state" in said) != is_ours


def test_database_with_two_names_after_a_killed_restore_opens(path: Path) -> None:
    opened_as_a_database(path)
    log = Path(f"{path}-wal")
    log.touch(0o600)
    for each, suffix in ((path, ""), (log, "-wal")):
        path.with_name(f"{path.name}.replaced-20260101T000000Z{suffix}").hardlink_to(each)
    open_database(f"sqlite:///{path}").close()


def test_backup_is_private(path: Path, tmp_path: Path) -> None:
    from agent_session_manager.sql.store import open_store
    from tests.store.promises.stepped_clock import SteppedClock

    open_store(f"sqlite:///{path}", clock=SteppedClock()).close()
    copy = path.with_name("copy.db")
    back_up(path, copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    a_link(path.with_name("taken.db"))
    assert "was not overwritten" in refusal(lambda: back_up(path, path.with_name("taken.db")))

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent_session_manager.machine.discovery import (
    Announcement,
    DiscoveryError,
    DiscoveryFile,
    ManagerPresentError,
    discovery_path,
    find_manager,
    find_managers,
    prepare_state_dir,
)
from tests.support.rows import each_row

PORT = 8765
WAIT_SECONDS = 60.0
ANNOUNCEMENT = Announcement(
    url="http://127.0.0.1:8765",
    pid=os.getpid(),
    instance="i",
    version="1",
    database="sqlite:///x",
    token="secret-token",
)


@contextmanager
def announced(
    state_dir: Path, announcement: Announcement = ANNOUNCEMENT
) -> Iterator[DiscoveryFile]:
    file = DiscoveryFile(discovery_path(state_dir, PORT))
    file.announce(announcement)
    try:
        yield file
    finally:
        file.close()


def test_manager_is_found_only_while_it_holds_its_file(tmp_path: Path) -> None:
    assert find_manager(tmp_path, PORT) is None
    with announced(tmp_path):
        assert find_manager(tmp_path, PORT) == ANNOUNCEMENT
        assert find_manager(tmp_path, PORT + 1) is None
    assert discovery_path(tmp_path, PORT).exists()
    assert find_manager(tmp_path, PORT) is None


def test_manager_that_has_not_announced_itself_is_not_found(tmp_path: Path) -> None:
    file = DiscoveryFile(discovery_path(tmp_path, PORT))
    assert find_manager(tmp_path, PORT) is None
    file.close()


def test_pipe_instead_of_the_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(discovery_path(tmp_path, PORT))
    assert find_manager(tmp_path, PORT) is None


def test_token_is_kept_for_the_next_manager(tmp_path: Path) -> None:
    with announced(tmp_path):
        pass
    for _ in range(2):  # the first manager fails before it serves
        file = DiscoveryFile(discovery_path(tmp_path, PORT))
        assert file.kept_token == "secret-token"
        file.close()


def test_token_survives_a_kill_before_serving(tmp_path: Path) -> None:
    with announced(tmp_path):
        pass
    path = discovery_path(tmp_path, PORT)
    for _ in range(2):
        starting = DiscoveryFile(path)
        left = path.read_bytes()
        starting.close()
        path.write_bytes(left)  # as after a kill: the close was not executed
    file = DiscoveryFile(path)
    assert file.kept_token == "secret-token"
    file.rotate_token()
    token = file.kept_token
    file.close()
    file = DiscoveryFile(path)
    assert file.kept_token == token != "secret-token"
    file.close()


def test_rotated_token_is_new_and_kept(tmp_path: Path) -> None:
    with announced(tmp_path):
        pass
    file = DiscoveryFile(discovery_path(tmp_path, PORT))
    file.rotate_token()
    file.close()
    tokens = set()
    for _ in range(2):
        file = DiscoveryFile(discovery_path(tmp_path, PORT))
        tokens.add(file.kept_token)
        file.close()
    (token,) = tokens
    assert token != "secret-token"
    assert len(token) >= 43
    content = json.loads(discovery_path(tmp_path, PORT).read_bytes())
    assert Announcement(**content) == replace(ANNOUNCEMENT, token=token)


def test_starting_manager_does_not_announce_its_predecessor(tmp_path: Path) -> None:
    with announced(tmp_path):
        pass
    starting = DiscoveryFile(discovery_path(tmp_path, PORT))
    assert find_manager(tmp_path, PORT) is None
    starting.close()


def test_first_token_is_random_and_long(tmp_path: Path) -> None:
    tokens = set()
    for port in range(3):
        file = DiscoveryFile(discovery_path(tmp_path, port))
        tokens.add(file.kept_token)
        file.close()
    assert len(tokens) == 3
    assert min(map(len, tokens)) >= 43


def test_shorter_announcement_replaces_a_longer_one(tmp_path: Path) -> None:
    with announced(tmp_path, replace(ANNOUNCEMENT, database="x" * 1000)):
        pass
    with announced(tmp_path):
        assert find_manager(tmp_path, PORT) == ANNOUNCEMENT


def test_second_manager_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    with announced(tmp_path), pytest.raises(ManagerPresentError) as caught:
        DiscoveryFile(discovery_path(tmp_path, PORT))
    assert f"{ANNOUNCEMENT.url} already (process {os.getpid()}, " in str(caught.value)
    starting = DiscoveryFile(discovery_path(tmp_path, PORT))
    with pytest.raises(ManagerPresentError, match=rf"process {os.getpid()}\) .* starting"):
        DiscoveryFile(discovery_path(tmp_path, PORT))
    starting.close()


def test_manager_of_another_container_is_refused_with_its_host(tmp_path: Path) -> None:
    elsewhere = replace(ANNOUNCEMENT, host="box", processes="other", network="other")
    with announced(tmp_path, elsewhere):
        found = find_manager(tmp_path, PORT)
        assert found == elsewhere
        assert not (found.is_reachable or found.has_our_processes)
        with pytest.raises(ManagerPresentError, match="manager on box, in another container"):
            DiscoveryFile(discovery_path(tmp_path, PORT))


def test_lock_of_a_stopped_client_does_not_block_a_start(
    tmp_path: Path,
) -> None:
    path = discovery_path(tmp_path, PORT)
    with announced(tmp_path):
        pass
    with path.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH | fcntl.LOCK_NB)
        with announced(tmp_path):
            assert find_manager(tmp_path, PORT) == ANNOUNCEMENT


@each_row("name", ["manager-8765.lock", "manager-8765.json"])
def test_manager_waits_for_one_that_has_released_one_lock(tmp_path: Path, name: str) -> None:
    with announced(tmp_path):
        pass
    with (tmp_path / name).open("rb") as held, ThreadPoolExecutor(1) as thread:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        starting = thread.submit(DiscoveryFile, discovery_path(tmp_path, PORT))
        assert not starting.done()
        fcntl.flock(held, fcntl.LOCK_UN)
        starting.result(WAIT_SECONDS).close()


def test_manager_does_not_wait_for_an_older_version(tmp_path: Path) -> None:
    path = discovery_path(tmp_path, PORT)
    path.touch(0o600)
    older = {"url": ANNOUNCEMENT.url, "pid": 7, "instance": "i", "version": "0", "database": "d"}
    path.write_text(json.dumps({**older, "token": "t"}))
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = find_manager(tmp_path, PORT)
        assert found is not None and found.is_reachable and found.has_our_processes
        with pytest.raises(ManagerPresentError, match=r"already \(process 7, version 0\)"):
            DiscoveryFile(path)


def test_all_managers_of_a_state_directory_are_found(tmp_path: Path) -> None:
    (tmp_path / "manager-x.json").touch(0o600)
    (tmp_path / "manager-7.json").touch(0o600)
    other = replace(ANNOUNCEMENT, url="http://127.0.0.1:9")
    file = DiscoveryFile(discovery_path(tmp_path, 9))
    file.announce(other)
    with announced(tmp_path):
        assert find_managers(tmp_path) == [other, ANNOUNCEMENT]
    file.close()


def test_killed_start_does_not_block_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "manager-8765.new").write_text("half")
    with announced(tmp_path):
        assert find_manager(tmp_path, PORT) == ANNOUNCEMENT
    assert not (tmp_path / "manager-8765.new").exists()


@each_row("content", [b"", b"{", b"[]", b"null", b'{"token": "x"}', b"\xff"])
def test_file_with_invalid_content_is_ignored(tmp_path: Path, content: bytes) -> None:
    path = discovery_path(tmp_path, PORT)
    path.touch(0o600)
    path.write_bytes(content)
    file = DiscoveryFile(path)
    assert find_manager(tmp_path, PORT) is None
    assert len(file.kept_token) >= 43
    file.close()


def linked(path: Path) -> None:
    path.with_suffix(".elsewhere").touch(0o600)
    path.symlink_to(path.with_suffix(".elsewhere"))


def hard_linked(path: Path) -> None:
    path.with_suffix(".elsewhere").touch(0o600)
    path.hardlink_to(path.with_suffix(".elsewhere"))


def readable_by_others(path: Path) -> None:
    path.touch()
    path.chmod(0o640)


@each_row("make", [linked, hard_linked, readable_by_others, Path.mkdir, os.mkfifo])
def test_file_that_is_not_private_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = discovery_path(tmp_path, PORT)
    make(path)
    with pytest.raises(DiscoveryError, match=str(path)):
        DiscoveryFile(path)


def test_link_is_not_followed_to_a_manager(tmp_path: Path) -> None:
    with announced(tmp_path):
        discovery_path(tmp_path, 1).symlink_to(discovery_path(tmp_path, PORT))
        with pytest.raises(OSError, match="symbolic links"):
            find_manager(tmp_path, 1)


def test_state_directory_is_created_private(tmp_path: Path) -> None:
    state_dir = tmp_path / "a" / "b"
    before = os.umask(0)
    try:
        prepare_state_dir(state_dir)
    finally:
        os.umask(before)
    assert state_dir.stat().st_mode & 0o777 == 0o700
    prepare_state_dir(state_dir)


def open_to_others(state: Path) -> str:
    state.mkdir()
    state.chmod(0o710)
    return f"chmod 700 {state}"


def a_file(state: Path) -> str:
    state.write_text("")
    return "not a directory of yours"


def below_a_file(state: Path) -> str:
    state.parent.rmdir()
    state.parent.write_text("")
    return "cannot create"


def a_link(state: Path) -> str:
    elsewhere = state.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    state.symlink_to(elsewhere)
    return "not a directory of yours"


def of_another_user(state: Path) -> str:
    state.mkdir(mode=0o700)
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    os.chown(state, 65534, 65534)
    return "not a directory of yours"


@each_row("make", [open_to_others, a_file, below_a_file, a_link, of_another_user])
def test_state_directory_that_is_not_private_is_refused(
    tmp_path: Path, make: Callable[[Path], str]
) -> None:
    state = tmp_path / "parent" / "state"
    state.parent.mkdir()
    said = make(state)
    with pytest.raises(DiscoveryError, match=said) as caught:
        prepare_state_dir(state)
    assert str(state) in str(caught.value)


def test_token_is_not_in_the_repr() -> None:
    assert "secret-token" not in repr(ANNOUNCEMENT)

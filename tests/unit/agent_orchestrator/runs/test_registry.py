from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.runs.registry import (
    Registered,
    RegisteredRun,
    forget,
    list_registered,
    registered,
    registry_dir,
    spared_pids,
)
from agent_orchestrator.runs.stop import clear_dead, signal_supervisor
from agent_orchestrator.session_client import _namespace
from agent_orchestrator.shared import place
from tests.support.manager import RunningManager
from tests.support.recording import refused_url
from tests.support.registered_process import supervisor
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

RUN = RegisteredRun(
    session_id="s", session_name="naïve 🦾", project_dir="/p", run=2, pid=os.getpid(), marker="m"
)


def supervised(state_dir: Path) -> dict[str, bool]:
    return {entry.run.session_id: entry.is_supervised for entry in list_registered(state_dir)}


def test_run_is_registered_while_it_lasts(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    assert list_registered(state_dir) == []
    with registered(RUN, state_dir):
        path = registry_dir(state_dir) / "s.2.json"
        assert list_registered(state_dir) == [Registered(run=RUN, path=path, is_supervised=True)]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list_registered(state_dir) == []
    assert list(registry_dir(state_dir).iterdir()) == []


def test_runs_are_distinguished_by_session_and_number(tmp_path: Path) -> None:
    runs = [
        replace(RUN, session_id=name, run=number) for name in ("a", "a.1") for number in (1, 11)
    ]
    with (
        registered(runs[0], tmp_path),
        registered(runs[1], tmp_path),
        registered(runs[2], tmp_path),
        registered(runs[3], tmp_path),
    ):
        assert {(e.run.session_id, e.run.run) for e in list_registered(tmp_path)} == {
            ("a", 1), ("a", 11), ("a.1", 1), ("a.1", 11),
        }  # fmt: skip


def test_killed_supervisor_is_distinguished_from_live_ones(tmp_path: Path) -> None:
    with supervisor(tmp_path, "killed") as killed, supervisor(tmp_path, "alive") as alive:
        assert supervised(tmp_path) == {"alive": True, "killed": True}
        killed.kill()
        killed.wait(WATCHDOG_SECONDS)
        assert supervised(tmp_path) == {"alive": True, "killed": False}
        alive.communicate(timeout=WATCHDOG_SECONDS)
        assert supervised(tmp_path) == {"killed": False}
        (entry,) = list_registered(tmp_path)
        assert (entry.run.pid, entry.run.marker) == (killed.pid, "m")
        forget(entry)
        forget(entry)
        assert list_registered(tmp_path) == []


def test_run_of_a_failed_supervisor_stays_registered(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), registered(RUN, tmp_path):
        raise ZeroDivisionError
    assert supervised(tmp_path) == {"s": False}
    with registered(RUN, tmp_path):
        assert supervised(tmp_path) == {"s": True}
    assert list_registered(tmp_path) == []


def test_repeated_listing_does_not_change_the_result(tmp_path: Path) -> None:
    with registered(RUN, tmp_path):
        for _ in range(100):
            assert supervised(tmp_path) == {"s": True}


def test_only_live_supervisors_and_managers_are_spared(
    tmp_path: Path, start_manager: Callable[..., RunningManager]
) -> None:
    own = start_manager()
    state_dir = own.state_dir
    with supervisor(state_dir, "a") as a, supervisor(state_dir, "b") as b:
        assert spared_pids(state_dir) == {own.pid, a.pid, b.pid}
        a.kill()
        a.wait(WATCHDOG_SECONDS)
        assert spared_pids(state_dir) == {own.pid, b.pid}
        own.kill()
        assert spared_pids(state_dir) == {b.pid}
    assert spared_pids(state_dir) == set()
    assert spared_pids(tmp_path / "none") == set()


def test_pid_and_free_lock_are_judged_by_their_place(tmp_path: Path) -> None:
    boot, here = RUN.processes.partition(" ")[0], RUN.processes
    cases = {
        "here": (here, RUN.host, True, True),
        "container": (f"{boot} pid:[1]", "box", False, True),
        "earlier boot": ("b pid:[1]", RUN.host, False, True),
        "another machine": ("b pid:[1]", "box", False, False),
        "without namespaces": ("", "mac", False, False),
    }
    for name, (processes, host, is_here, is_known_dead) in cases.items():
        run = replace(RUN, processes=processes, host=host)
        with registered(run, tmp_path):
            (entry,) = list_registered(tmp_path)
            assert (entry.is_supervised, entry.is_here, entry.is_dead) == (True, is_here, False), (
                name
            )
            assert spared_pids(tmp_path) == ({RUN.pid} if is_here else set()), name
            assert signal_supervisor(replace(entry, is_supervised=False)) == is_here, name
            left = entry.path.read_bytes()
        entry.path.touch(0o600)
        entry.path.write_bytes(left)
        (entry,) = list_registered(tmp_path)
        assert (entry.is_supervised, entry.is_dead) == (False, is_known_dead), name
        entry.path.unlink()


def test_supervisor_that_begins_to_wait_is_still_the_same(tmp_path: Path) -> None:
    with registered(RUN, tmp_path):
        (entry,) = list_registered(tmp_path)
        with registered(replace(RUN, waits=True, marker="other"), tmp_path):
            assert entry.is_unchanged()
        with registered(replace(RUN, pid=RUN.pid + 1), tmp_path):
            assert not entry.is_unchanged()


def test_entry_of_an_older_version_counts_as_local(tmp_path: Path) -> None:
    said = asdict(RUN)
    del said["host"], said["processes"]
    with registered(RUN, tmp_path):
        path = registry_dir(tmp_path) / "old.1.json"
        path.touch(0o600)
        path.write_text(json.dumps({**said, "session_id": "old"}))
        assert {e.run.session_id for e in list_registered(tmp_path) if e.is_here} == {"old", "s"}


def test_contract_file_names_places_like_other_modules() -> None:
    assert (_namespace("pid"), _namespace("net")) == (place.processes(), place.network())


@each_row(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        json.dumps({**asdict(RUN), "more": 1}),
        json.dumps({**asdict(RUN)})[:-5],
        "\ufffe" * 9,
    ],
)
def test_unreadable_file_is_ignored(tmp_path: Path, content: str) -> None:
    with registered(RUN, tmp_path):
        (registry_dir(tmp_path) / "a.1.json").write_text(content, "utf-8")
        (tmp_path / "manager-1.json").write_text(content, "utf-8")
        assert supervised(tmp_path) == {"s": True}
        assert spared_pids(tmp_path) == {RUN.pid}


def test_link_is_not_followed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text(json.dumps(asdict(RUN)))
    link = registry_dir(tmp_path) / "s.2.json"
    link.parent.mkdir(parents=True)
    link.symlink_to(theirs)
    assert list_registered(tmp_path) == []
    with pytest.raises(OSError), registered(RUN, tmp_path):
        pass
    assert json.loads(theirs.read_text()) == asdict(RUN)


def test_agent_clears_up_and_leaves_the_end_to_the_lease(tmp_path: Path) -> None:
    """It may neither record the end of another session nor deliver its events."""
    with supervisor(tmp_path, "s") as process:
        process.kill()
        process.wait(WATCHDOG_SECONDS)
    with refused_url() as url, ManagerClient(url, run_token="agent-x") as manager:
        session = {"session_id": "s", "status": "running", "run": 1}
        assert clear_dead(manager, session, tmp_path) == 0
    assert list_registered(tmp_path) == []

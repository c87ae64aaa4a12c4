"""The registry of Claude Code: a file counts only if the process that wrote it still runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.history.format import OpenSession
from agent_orchestrator.history.formats.claude import FORMAT, registry
from agent_orchestrator.history.formats.claude.registry import local_start
from tests.support.claude_registry import record_of, register
from tests.support.rows import each_row

ID = "196f016a-4ae0-4550-a188-25239b4292c1"
PID = os.getpid()
YEAR_MS = 365 * 24 * 3600 * 1000


def found(home: Path) -> list[OpenSession]:
    return list(FORMAT.open_sessions(home / ".claude" / "projects"))


@each_row(
    ("fields", "is_idle"),
    [
        ({}, False),
        ({"status": "waiting", "waitingFor": "permission prompt"}, False),
        ({"status": "idle"}, True),
        ({"entrypoint": "sdk-py"}, False),
        ({"status": "not known yet"}, True),
        ({"status": None}, None),
        ({"sessionId": "../../x"}, None),
        ({"procStart": "1"}, None),
        ({"procStart": None}, None),
        ({"pidDomain": "linux:another:pid:[4026531836]"}, None),
        ({"pidDomain": None}, None),
        ({"startedAt": record_of(PID, ID)["startedAt"] - 50 * YEAR_MS}, None),
        ({"startedAt": "today"}, None),
        ({"startedAt": 10**400}, False),
        ({"startedAt": -(10**400)}, None),
    ],
)
def test_session_is_open_in_its_own_process_only(
    own_home: Path, fields: dict[str, Any], is_idle: bool | None
) -> None:
    register(own_home, ID, **fields)
    is_driven = fields.get("entrypoint") == "sdk-py"
    opened = OpenSession(ID, f"claude, pid {PID}", is_idle is True, is_driven)
    expected = [] if is_idle is None else [opened]
    assert found(own_home) == expected


@each_row("content", [b"", b"{", b"[1]", b"\xff", b'{"a":' * 99_999, b" " * 99_999])
def test_unreadable_file_is_no_session(own_home: Path, content: bytes) -> None:
    register(own_home, ID).write_bytes(content)
    assert found(own_home) == []


def test_file_of_another_place_is_no_session(own_home: Path, tmp_path: Path) -> None:
    assert found(own_home) == []
    path = register(own_home, ID)
    path.rename(path.with_name("key.json"))
    os.mkfifo(path)
    assert found(own_home) == []
    path.unlink()
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps(record_of(PID, ID)))
    path.symlink_to(outside)
    assert found(own_home) == []


def test_file_of_an_ended_process_is_no_session(own_home: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        register(own_home, ID, pid=process.pid)
        before = found(own_home)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        as_zombie = found(own_home)  # as long as its parent does not ask for its exit code
    assert [each.session_id for each in before] == [ID]
    assert (as_zombie, found(own_home)) == ([], [])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have names of their own")
def test_process_may_have_any_name(own_home: Path) -> None:
    """The kernel cuts a name after 15 bytes, also within a character."""
    register(own_home, ID)
    name = Path("/proc/self/comm")
    before = name.read_bytes()
    try:
        name.write_bytes(b"\xc3")
        opened = found(own_home)
    finally:
        name.write_bytes(before)
    assert [each.session_id for each in opened] == [ID]


def test_only_files_of_running_processes_are_read(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There can be a hundred thousand others, and this is looked at each second."""
    register(own_home, ID)
    for pid in (10**9, 10**30):  # more than the kernel gives
        (own_home / ".claude" / "sessions" / f"{pid}.json").write_text("{}")
    opened: list[str] = []
    monkeypatch.setattr(registry, "is_inside", lambda path, _: opened.append(path.stem))
    found(own_home)
    assert opened == [str(PID)]


def test_start_has_the_form_of_ps() -> None:
    assert local_start(1_772_351_999.9) == "Sun Mar  1 07:59:59 2026"

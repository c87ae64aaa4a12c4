"""The hooks of the plugin for Claude Code: a note for each transcript, whatever they are given."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.shared.locks import hold_alone, holder_of
from tests.commands.processes import HOOK
from tests.commands.shell import DONE, Shell
from tests.support.claude_registry import register
from tests.support.environment import BIN
from tests.support.rows import each_row
from tests.support.transcript_files import Transcript
from tests.support.waiting import wait_for

ID = "196f016a-4ae0-4550-a188-25239b4292c1"
NO_IMPORT = "/usr/bin:/bin"
"""A PATH without `ao-import` and uv, so that only the note is written."""


def given(path: str, **fields: Any) -> bytes:
    """Return the input of a hook, as Claude Code writes it."""
    begin = {"session_id": ID, "transcript_path": path, "cwd": "/", "hook_event_name": "Stop"}
    return json.dumps({**begin, **fields}, separators=(",", ":"), ensure_ascii=False).encode()


def notes_in(state_dir: Path) -> dict[str, str]:
    """Return the paths of the notes, by session."""
    found = (state_dir / "notes").glob("*")
    return {each.name: json.loads(each.read_text()) for each in found}


def hook(shell: Shell, content: bytes, *arguments: str) -> None:
    """Run the hook as Claude Code does. It must succeed silently."""
    done = shell.run_program("sh", str(HOOK), *arguments, stdin=content)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


PATH = "/home/u/.claude/projects/-p/" + ID + ".jsonl"


@each_row(
    ("content", "noted"),
    [
        (given(PATH), PATH),
        (given(PATH, tool_response="x" * 3_000_000), PATH),
        (given(PATH, prompt=f'"transcript_path":"/etc/{ID}.jsonl"'), PATH),
        (given(f'/a "b" $(touch c) \\ ü\n/{PATH}'), f'/a "b" $(touch c) \\ ü\n/{PATH}'),
        (given(PATH)[:60], None),
        (b"", None),
        (b"[1, 2]", None),
        (b"\x00\xff" * 9000, None),
        (given(PATH, session_id="../../x"), None),
        (given(PATH, session_id=""), None),
    ],
)
def test_hook_notes_the_transcript(
    person: Shell, tmp_path_factory: pytest.TempPathFactory, content: bytes, noted: str | None
) -> None:
    state = tmp_path_factory.mktemp("hook") / "a state" / "dir"
    shell = person.having(AGENT_ORCHESTRATOR_STATE_DIR=str(state), PATH=NO_IMPORT)
    hook(shell, content)
    assert notes_in(state) == ({} if noted is None else {ID: noted})
    if noted is not None:
        modes = [stat.S_IMODE(each.stat().st_mode) for each in (state, state / "notes" / ID)]
        assert modes == [0o700, 0o600]


def test_hook_finds_the_state_directory_as_commands_do(person: Shell, tmp_path: Path) -> None:
    home, xdg = tmp_path / "h", tmp_path / "x"
    plain = person.having(
        AGENT_ORCHESTRATOR_STATE_DIR=None, XDG_STATE_HOME=None, HOME=str(home), PATH=NO_IMPORT
    )
    hook(plain, given(PATH))
    hook(plain.having(XDG_STATE_HOME=str(xdg)), given(PATH))
    hook(plain.having(AGENT_ORCHESTRATOR_STATE_DIR="~/own"), given(PATH))
    states = (home / ".local/state/agent-orchestrator", xdg / "agent-orchestrator", home / "own")
    assert [notes_in(state) for state in states] == [{ID: PATH}] * 3


def test_hook_that_cannot_note_does_nothing(person: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    none = person.having(AGENT_ORCHESTRATOR_STATE_DIR=None, XDG_STATE_HOME=None, PATH=NO_IMPORT)
    for shell in (
        none.having(HOME=None),
        none.having(HOME="odd"),
        none.having(AGENT_ORCHESTRATOR_STATE_DIR=str(tmp_path / "file")),
        none.having(
            AGENT_ORCHESTRATOR_STATE_DIR=str(tmp_path / "of-a-run"), AGENT_ORCHESTRATOR_RUN="r"
        ),
    ):
        hook(shell, given(PATH))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["agents", "file", "project"]


@each_row("fault", ["open to others", "a link", "of another user"])
def test_hook_writes_nothing_into_a_directory_of_others(
    person: Shell, tmp_path: Path, fault: str
) -> None:
    state, other = tmp_path / "state", tmp_path / "other"
    other.mkdir(mode=0o755 if fault == "open to others" else 0o700)
    if fault == "of another user":
        if os.geteuid() != 0:
            pytest.skip("only root can give a directory to another user")
        os.chown(other, 65534, -1)
    if fault == "a link":
        state.symlink_to(other)
    else:
        other.rename(state)
    hook(person.having(AGENT_ORCHESTRATOR_STATE_DIR=str(state), PATH=NO_IMPORT), given(PATH))
    assert list(state.iterdir()) == []


def test_hook_replaces_a_link_at_its_place(person: Shell, tmp_path: Path) -> None:
    state, victim = tmp_path / "state", tmp_path / "victim"
    (state / "notes").mkdir(mode=0o700, parents=True)
    state.chmod(0o2700)  # with the bit of a parent whose files keep its group
    victim.write_text("mine")
    (state / "notes" / f".{ID}").symlink_to(victim)
    hook(person.having(AGENT_ORCHESTRATOR_STATE_DIR=str(state), PATH=NO_IMPORT), given(PATH))
    assert (notes_in(state), victim.read_text()) == ({ID: PATH}, "mine")
    assert not (state / "notes" / ID).is_symlink()


@pytest.mark.usefixtures("no_noted_import")
def test_noted_session_is_followed_by_one_import(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    """The transcript is in no place that an import searches without a note."""
    state = person.state_dir
    shell = person.having(PATH=f"{BIN}:{NO_IMPORT}")
    transcript = numbers()
    transcript.turn()
    path = transcript.write(home / "elsewhere")
    content = given(str(path)).replace(ID.encode(), transcript.session_id.encode())
    hook(shell, content)

    def has(count: int) -> bool:
        found = records.get_status(transcript.session_id) != "not_existent"
        return found and records.get_session(transcript.session_id)["last_seq"] == count

    wait_for(lambda: has(4), "the noted session is imported")
    pid = holder_of(state / "notes.lock")
    assert pid is not None
    register(home / "elsewhere", transcript.session_id)
    transcript.prompt("and more")
    path.write_text(transcript.text())
    wait_for(lambda: has(5), "its growth is imported, without another note")
    session = records.get_session(transcript.session_id)
    assert (session["state"], session["lease"]["holder"]) == (
        "running",
        f"claude, pid {os.getpid()}",
    )
    transcript.call("Bash", "done")
    transcript.answer({"type": "text", "text": "Done."})
    path.write_text(transcript.text())
    wait_for(lambda: has(8), "the end of the turn is imported")
    assert records.get_session(transcript.session_id)["state"] == "finished"
    hook(shell, content)
    hook(shell, content, "end")
    assert person.run("ao-import", "--noted").exit_code == DONE  # the first one does it all
    assert holder_of(state / "notes.lock") == pid
    lock = hold_alone(state / "import.lock")  # as a watcher that takes over
    assert lock is not None
    wait_for(lambda: holder_of(state / "notes.lock") is None, "the import makes way")
    os.close(lock)
    assert notes_in(state) == {f"{transcript.session_id}.taken": str(path)}


LATE_NOTE = """
import subprocess, sys
from contextlib import contextmanager
from agent_orchestrator.console.imports import notes as module
from agent_orchestrator.console.command import configure
from agent_orchestrator.history.importer import notes

opened, contents = module.open_state, [sys.argv[2]]

@contextmanager
def opened_until_a_hook(*arguments):
    with opened(*arguments) as state:
        yield state
    if contents:
        subprocess.run(["sh", sys.argv[1]], input=contents.pop().encode(), check=True)

module.open_state = opened_until_a_hook
module.LOOK_SECONDS = notes.QUIET_SECONDS = 0
module.import_notes(configure(must_exist=False))
"""
"""Imports the notes; at its last moment with the lock, a hook notes a session."""


@pytest.mark.usefixtures("no_noted_import")
def test_note_at_the_end_of_an_import_is_not_left(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    late = numbers()
    late.turn()
    content = given(str(late.write(home / "elsewhere"))).replace(
        ID.encode(), late.session_id.encode()
    )
    shell = person.having(PATH=f"{BIN}:{NO_IMPORT}")
    done = shell.run_program(sys.executable, "-c", LATE_NOTE, str(HOOK), content)
    assert (done.returncode, done.stderr) == (0, b"")
    assert records.get_session(late.session_id)["last_seq"] == 4
    assert notes_in(person.state_dir) == {}
    assert (person.state_dir / "notes.lock").read_text() == ""  # hooks no longer wait for it


def test_noted_import_without_a_manager_leaves_the_notes(person: Shell, tmp_path: Path) -> None:
    shell = person.having(
        AGENT_ORCHESTRATOR_STATE_DIR=str(tmp_path / "state"),
        AGENT_ORCHESTRATOR_SESSION_MANAGER_URL="http://127.0.0.1:9",
    )
    hook(shell.having(PATH=NO_IMPORT), given(PATH))
    ended = shell.run("ao-import", "--noted")
    assert (ended.exit_code, ended.stdout, ended.stderr) == (DONE, "", "")
    assert notes_in(tmp_path / "state") == {ID: PATH}

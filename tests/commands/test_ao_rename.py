"""`ao-rename`: a new name that no other session of the project has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.detached_session import start_detached
from tests.commands.shell import DONE, FAILED, NOT_FOUND, USAGE, Ended, Shell
from tests.support.gate import Gate

Make = Callable[..., str]


@pytest.fixture
def make(records: ManagerClient, project: Path, new_id: Callable[[], str]) -> Make:
    """A function that creates a finished session; its answer is its first name."""

    def session(name: str, directory: Path = project) -> str:
        session_id = new_id()
        records.create_named_session(session_id, name, project_dir=str(directory))
        said = {
            "event_type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": name}],
        }
        records.append_events(session_id, [said, {"event_type": "session_stop"}])
        return session_id

    return session


def test_a_session_is_found_by_its_new_name_only(
    shell: Shell, make: Make, records: ManagerClient
) -> None:
    session_id = make("old")
    assert shell.run("ao-rename", "old", "new") == Ended(DONE, "old is now new\n", "")
    assert shell.run("ao-get-result", "new").stdout == "old\n"
    assert shell.run("ao-status", "old").exit_code == NOT_FOUND
    program = ("-p", "one", "--executor", "command", "--", "cat")
    assert shell.run("ao-new", "old", *program).exit_code == DONE
    assert shell.run("ao-rename", "new", "new") == Ended(DONE, "new is now new\n", "")
    ended = shell.run("ao-rename", "new", "newer", "--json")
    session = records.get_session(session_id)
    assert (ended.exit_code, ended.json, session["session_name"]) == (DONE, session, "newer")


def test_taken_name_is_refused_unless_another_project_has_it(
    shell: Shell, make: Make, tmp_path: Path
) -> None:
    make("one")
    make("two")
    assert shell.run("ao-rename", "one", "two") == Ended(
        FAILED,
        "",
        "ao-rename: another session of this project is named 'two': choose another name, or "
        "ao-rename that session first\n",
    )
    assert shell.run("ao-get-result", "one").stdout == "one\n"
    assert shell.run("ao-get-result", "two").stdout == "two\n"
    make("taken", directory=tmp_path / "elsewhere")
    assert shell.run("ao-rename", "two", "taken").exit_code == DONE


def test_invisible_empty_and_long_names_are_refused(shell: Shell) -> None:
    run = ("--executor", "command", "--", "true")
    assert shell.run("ao-new", "x", *run).exit_code == DONE
    for command, *arguments in (
        ("ao-rename", "x", "x\u200b"),
        ("ao-new", "x\u200b", *run),
        ("ao-resume", "x", "-p", "hi", "--fork", "x\u200b"),
    ):
        ended = shell.run(command, *arguments)
        assert (ended.exit_code, ended.stdout) == (USAGE, ""), ended
        assert ended.stderr.startswith(f"{command}: session_name has U+200B (ZERO WIDTH SPACE) at ")
    for name in ("", "x" * 201):
        assert shell.run("ao-rename", "x", name) == Ended(
            USAGE, "", "ao-rename: a name has 1 to 200 characters\n"
        )
    assert shell.run("ao-status", "x").stdout == "finished\n"
    assert shell.run("ao-rename", "x", "caf\u00e9").exit_code == DONE
    assert "already" in shell.run("ao-new", "cafe\u0301", *run).stderr


def test_running_session_can_be_renamed(shell: Shell, gate: Gate, started: Path) -> None:
    start_detached(shell, "x", started, gate)
    assert shell.run("ao-rename", "x", "y") == Ended(DONE, "x is now y\n", "")
    gate.open("done")
    assert shell.run("ao-wait", "y") == Ended(DONE, "y finished\n", "")
    assert shell.run("ao-get-result", "y").stdout == "done\n"


def test_session_of_another_project_is_renamed_by_full_id_only(
    shell: Shell, make: Make, tmp_path: Path
) -> None:
    session_id = make("x")
    elsewhere = shell.at(tmp_path)
    assert elsewhere.run("ao-rename", "x", "y").exit_code == NOT_FOUND
    assert elsewhere.run("ao-rename", session_id, "y").exit_code == DONE

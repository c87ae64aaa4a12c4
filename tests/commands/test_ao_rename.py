"""`ao-rename`: a new name that no other session of the project has."""

from __future__ import annotations

from pathlib import Path

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.detached_session import start_detached
from tests.commands.shell import DONE, FAILED, NOT_FOUND, USAGE, Ended, Shell
from tests.support.gate import Gate


def make(shell: Shell, name: str) -> None:
    arguments = ("-p", name, "--executor", "command", "--", "cat")
    assert shell.run("ao-new", name, *arguments).exit_code == DONE


def test_a_session_is_found_by_its_new_name_only(shell: Shell) -> None:
    make(shell, "old")
    assert shell.run("ao-rename", "old", "new") == Ended(DONE, "old is now new\n", "")
    assert shell.run("ao-get-result", "new").stdout == "old\n"
    assert shell.run("ao-status", "old").exit_code == NOT_FOUND
    make(shell, "old")


def test_json_is_the_session_under_its_new_name(
    shell: Shell, records: ManagerClient, project: Path
) -> None:
    make(shell, "old")
    ended = shell.run("ao-rename", "old", "new", "--json")
    (session,) = records.find_sessions(project_dir=str(project))
    assert (ended.exit_code, ended.json) == (DONE, session)
    assert session["session_name"] == "new"


def test_taken_name_is_refused(shell: Shell) -> None:
    make(shell, "one")
    make(shell, "two")
    assert shell.run("ao-rename", "one", "two") == Ended(
        FAILED,
        "",
        "ao-rename: another session of this project is named 'two': choose another name, or "
        "ao-rename that session first\n",
    )
    assert shell.run("ao-get-result", "one").stdout == "one\n"
    assert shell.run("ao-get-result", "two").stdout == "two\n"


def test_session_can_be_renamed_to_its_own_name(shell: Shell) -> None:
    make(shell, "x")
    assert shell.run("ao-rename", "x", "x") == Ended(DONE, "x is now x\n", "")


def test_a_name_of_another_project_is_free(shell: Shell, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    make(shell.at(elsewhere), "taken")
    make(shell, "x")
    assert shell.run("ao-rename", "x", "taken").exit_code == DONE


def test_name_with_invisible_characters_is_refused(shell: Shell) -> None:
    make(shell, "x")
    run = ("--executor", "command", "--", "true")
    for command, *arguments in (
        ("ao-rename", "x", "x\u200b"),
        ("ao-new", "x\u200b", *run),
        ("ao-resume", "x", "-p", "hi", "--fork", "x\u200b"),
    ):
        ended = shell.run(command, *arguments)
        assert (ended.exit_code, ended.stdout) == (USAGE, ""), ended
        assert ended.stderr.startswith(f"{command}: session_name has U+200B (ZERO WIDTH SPACE) at ")
    assert shell.run("ao-rename", "x", "caf\u00e9").exit_code == DONE
    assert "already" in shell.run("ao-new", "cafe\u0301", *run).stderr


def test_a_name_is_neither_empty_nor_too_long(shell: Shell) -> None:
    make(shell, "x")
    for name in ("", "x" * 201):
        assert shell.run("ao-rename", "x", name) == Ended(
            USAGE, "", "ao-rename: a name has 1 to 200 characters\n"
        )
        assert shell.run("ao-status", "x").stdout == "finished\n"


def test_running_session_can_be_renamed(shell: Shell, gate: Gate, started: Path) -> None:
    start_detached(shell, "x", started, gate)
    assert shell.run("ao-rename", "x", "y") == Ended(DONE, "x is now y\n", "")
    gate.open("done")
    assert shell.run("ao-wait", "y") == Ended(DONE, "y finished\n", "")
    assert shell.run("ao-get-result", "y").stdout == "done\n"


def test_session_of_another_project_is_renamed_by_full_id_only(
    shell: Shell, records: ManagerClient, project: Path, tmp_path: Path
) -> None:
    make(shell, "x")
    (session,) = records.find_sessions(project_dir=str(project))
    elsewhere = shell.at(tmp_path)
    assert elsewhere.run("ao-rename", "x", "y").exit_code == NOT_FOUND
    assert elsewhere.run("ao-rename", session["session_id"], "y").exit_code == DONE

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.shell import DONE, FAILED, NOT_FOUND, USAGE, Ended, Shell

Make = Callable[..., str]

QUESTION = "Delete 2 sessions with all events? [y/N]: "


def timeless(text: str) -> str:
    """Replace ages (`3 s ago`), which depend on the speed of the machine."""
    return re.sub(r"\d+ (?:s|min) ago", "… ago", text)


@pytest.fixture
def make(records: ManagerClient, project: Path, new_id: Callable[[], str]) -> Make:
    """A function that creates sessions; sessions that are not running have ended."""

    def session(name: str, *, running: bool = False, directory: Path = project) -> str:
        session_id = new_id()
        records.create_session(session_id, name, project_dir=str(directory))
        if not running:
            records.add_event(session_id, {"event_type": "session_stop"})
        return session_id

    return session


@pytest.fixture
def left(records: ManagerClient, project: Path) -> Iterator[Callable[[], set[str]]]:
    """The names of the sessions that the project still has."""
    yield lambda: {
        str(session["session_name"]) for session in records.find_sessions(project_dir=str(project))
    }


def test_clean_deletes_only_the_named_sessions(
    shell: Shell, make: Make, left: Callable[[], set[str]]
) -> None:
    one, two = make("one"), make("two")
    make("three")
    ended = shell.run("ao-clean", "one", two[:-2], "one")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert timeless(ended.stdout) == (
        f"deleted one (finished, 1 event, … ago, {one})\n"
        f"deleted two (finished, 1 event, … ago, {two})\n"
    )
    assert left() == {"three"}


def test_json_lists_the_ids_that_were_deleted(shell: Shell, make: Make) -> None:
    ids = [make("one"), make("two")]
    assert shell.run("ao-clean", "one", "two", "--json").json == {"deleted": ids}


def test_clean_reports_unknown_names_and_deletes_the_others(
    shell: Shell, make: Make, left: Callable[[], set[str]]
) -> None:
    make("one")
    ended = shell.run("ao-clean", "missing", "one")
    assert ended.exit_code == NOT_FOUND
    assert ended.stdout.startswith("deleted one (")
    assert ended.stderr.startswith("ao-clean: no session 'missing' in ")
    assert left() == set()


def test_running_session_is_deleted_only_with_force(
    shell: Shell, make: Make, left: Callable[[], set[str]]
) -> None:
    make("one", running=True)
    make("two")
    ended = shell.run("ao-clean", "one", "two")
    assert ended.exit_code == FAILED
    assert ended.stderr == "ao-clean: 'one' is running: left alone (--force deletes it)\n"
    assert left() == {"one"}
    assert shell.run("ao-clean", "--force", "one").exit_code == DONE
    assert left() == set()


def test_all_deletes_only_ended_sessions_of_this_project(
    shell: Shell,
    make: Make,
    left: Callable[[], set[str]],
    records: ManagerClient,
    tmp_path: Path,
) -> None:
    make("one")
    make("two", running=True)
    elsewhere = make("three", directory=tmp_path / "elsewhere")
    ended = shell.run("ao-clean", "--all", "--yes")
    assert ended.exit_code == DONE
    assert ended.stdout.startswith("deleted one (")
    assert ended.stderr == "ao-clean: 'two' is running: left alone (--force deletes it)\n"
    assert left() == {"two"}
    assert records.get_status(elsewhere) == "finished"
    assert shell.run("ao-clean", "--all", "--yes", "--force").exit_code == DONE
    assert left() == set()


@pytest.mark.parametrize(
    ("types", "code", "is_deleted"),
    [("y\n", DONE, True), ("n\n", FAILED, False), ("\n", FAILED, False), ("\x04", FAILED, False)],
)
def test_all_lists_the_sessions_and_asks(
    shell: Shell,
    make: Make,
    left: Callable[[], set[str]],
    types: str,
    code: int,
    is_deleted: bool,
) -> None:
    one, two = make("one"), make("two")
    with shell.on_terminal("ao-clean", "--all") as terminal:
        terminal.asks(QUESTION)
        terminal.types(types)
        ended, screen = terminal.end()
    asked, _, rest = timeless(screen).partition(QUESTION)
    assert f"  two (finished, 1 event, … ago, {two})\n" in asked
    assert f"  one (finished, 1 event, … ago, {one})\n" in asked
    assert ended == code
    assert ("deleted one" in rest) == is_deleted
    assert left() == (set() if is_deleted else {"one", "two"})
    if types == "n\n":
        assert rest.endswith("ao-clean: nothing was deleted\n")


def test_ctrl_c_at_the_question_deletes_nothing(
    shell: Shell, make: Make, left: Callable[[], set[str]]
) -> None:
    make("one")
    make("two")
    with shell.on_terminal("ao-clean", "--all") as terminal:
        terminal.asks(QUESTION)
        terminal.types("\x03")
        code, screen = terminal.end()
    assert code == FAILED
    assert screen.endswith("ao-clean: stopped\n")
    assert left() == {"one", "two"}


@pytest.mark.parametrize("stdin", [None, "y\n"])
def test_all_without_a_terminal_deletes_nothing(
    shell: Shell, make: Make, left: Callable[[], set[str]], stdin: str | None
) -> None:
    session_id = make("one")
    ended = shell.run("ao-clean", "--all", stdin=stdin)
    assert (ended.exit_code, ended.stdout) == (USAGE, "")
    assert timeless(ended.stderr) == (
        f"  one (finished, 1 event, … ago, {session_id})\n"
        "ao-clean: stdin is not a terminal, so you cannot be asked: add --yes\n"
    )
    assert left() == {"one"}


def test_all_without_sessions_asks_nothing(shell: Shell) -> None:
    assert shell.run("ao-clean", "--all") == Ended(DONE, "", "")


@pytest.mark.parametrize("arguments", [[], ["one", "--all"]])
def test_clean_needs_either_names_or_all(
    shell: Shell, make: Make, left: Callable[[], set[str]], arguments: list[str]
) -> None:
    make("one")
    assert shell.run("ao-clean", *arguments) == Ended(
        USAGE, "", "ao-clean: name the sessions to delete, or give --all\n"
    )
    assert left() == {"one"}


def test_all_deletes_archived_sessions_too(
    shell: Shell, make: Make, records: ManagerClient, left: Callable[[], set[str]]
) -> None:
    body: dict[str, Any] = {"archived": True}
    records._request("PATCH", f"/sessions/{make('one')}", body)
    assert shell.run("ao-clean", "--all", "--yes").exit_code == DONE
    assert left() == set()


def test_deleted_session_no_longer_exists(shell: Shell, make: Make, records: ManagerClient) -> None:
    session_id = make("one")
    shell.run("ao-clean", "one")
    assert records.get_status(session_id) == "not_existent"
    assert shell.run("ao-status", "one").exit_code == NOT_FOUND


def test_archived_session_is_unlisted_until_unarchived(
    shell: Shell, make: Make, records: ManagerClient
) -> None:
    one = make("one")
    ended = shell.run("ao-clean", "--archive", "one")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert timeless(ended.stdout) == f"archived one (finished, 1 event, … ago, {one})\n"
    assert one not in shell.run("ao-list-sessions", "--here", "--json").stdout
    assert one in shell.run("ao-list-sessions", "--here", "--archived", "--json").stdout
    assert shell.run("ao-clean", "--archive", "one").stdout == ""
    back = shell.run("ao-clean", "--unarchive", "--json", "one")
    assert json.loads(back.stdout) == {"unarchived": [one]}
    assert records.get_session(one)["archived_at"] is None
    assert shell.run("ao-clean", "--unarchive", "missing").exit_code == NOT_FOUND
    assert shell.run("ao-clean", "--unarchive", "--archive", "one").exit_code == USAGE


def test_unarchive_fails_if_the_name_is_taken(
    shell: Shell, records: ManagerClient, project: Path, new_id: Callable[[], str]
) -> None:
    old, new = new_id(), new_id()
    for session_id in (old, new):
        records.create_named_session(session_id, "same", project_dir=str(project))
        records.archive_session(old)
    ended = shell.run("ao-clean", "--unarchive", old)
    assert ended.exit_code == FAILED
    assert "another session of the project has taken the name 'same'" in ended.stderr

"""Which session an argument means: an id, a name in this project, a unique start of an id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent_orchestrator.manager_client import ManagerClient
from tests.commands.shell import DONE, NOT_FOUND, USAGE, Ended, Shell


@pytest.fixture
def finished(records: ManagerClient, project: Path) -> Callable[..., str]:
    """A maker of sessions that have an answer: their id, or what is said of them."""

    def make(session_id: str, name: str, *, answer: str = "", directory: Path = project) -> str:
        records.create_session(session_id, name, project_dir=str(directory))
        content = [{"type": "text", "text": answer or session_id}]
        message = {"event_type": "message", "role": "assistant", "content": content}
        stop = {"event_type": "session_stop", "exit_code": 0, "reason": "completed"}
        records.append_events(session_id, [message, stop])
        return session_id

    return make


def result_of(shell: Shell, argument: str) -> str:
    ended = shell.run("ao-get-result", argument)
    assert ended.exit_code == DONE, ended
    return ended.stdout.removesuffix("\n")


def test_a_whole_id_a_name_and_the_start_of_an_id_mean_a_session(
    shell: Shell, finished: Callable[..., str], new_id: Callable[[], str]
) -> None:
    session_id = finished(new_id(), "fix")
    assert [result_of(shell, argument) for argument in (session_id, "fix", session_id[:-3])] == [
        session_id
    ] * 3


def test_a_whole_id_goes_before_a_name(
    shell: Shell, finished: Callable[..., str], new_id: Callable[[], str]
) -> None:
    first = finished(new_id(), "fix")
    finished(new_id(), first)
    assert result_of(shell, first) == first


def test_a_name_goes_before_the_start_of_an_id(
    shell: Shell, finished: Callable[..., str], new_id: Callable[[], str]
) -> None:
    first = finished(new_id(), "fix")
    second = finished(new_id(), first[:-3])
    assert result_of(shell, first[:-3]) == second


@pytest.mark.parametrize("command", ["ao-clean", "ao-get-result", "ao-resume", "ao-status"])
def test_a_start_of_several_ids_is_refused_with_the_list(
    shell: Shell,
    finished: Callable[..., str],
    new_id: Callable[[], str],
    project: Path,
    command: str,
) -> None:
    start = new_id()
    for number in range(3):
        finished(f"{start}-{number}", f"n{number}")
    listed = ", ".join(f"{start}-{number} (n{number} in {project})" for number in (2, 1, 0))
    prompt = ["-p", "hi"] if command == "ao-resume" else []
    assert shell.run(command, start, *prompt) == Ended(
        USAGE, "", f"{command}: {start!r} means several sessions: {listed}\n"
    )


def test_a_name_that_several_have_is_refused_with_the_list_of_all(
    shell: Shell, finished: Callable[..., str], new_id: Callable[[], str]
) -> None:
    ids = [finished(new_id(), "same") for _ in range(3)]
    ended = shell.run("ao-get-result", "same")
    assert ended.exit_code == USAGE
    assert [session_id in ended.stderr for session_id in ids] == [True] * 3


def test_an_archived_session_is_found_where_no_other_has_the_name(
    shell: Shell, records: ManagerClient, finished: Callable[..., str], new_id: Callable[[], str]
) -> None:
    old = finished(new_id(), "fix")
    records._request("PATCH", f"/sessions/{old}", {"archived": True})
    assert result_of(shell, "fix") == old
    fresh = finished(new_id(), "fix")
    assert result_of(shell, "fix") == fresh


def test_a_session_name_in_two_projects_means_the_one_of_the_project_one_stands_in(
    shell: Shell, finished: Callable[..., str], new_id: Callable[[], str], tmp_path: Path
) -> None:
    ids = {}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ids[name] = finished(new_id(), "same", directory=tmp_path / name)
    for name in ("one", "two"):
        assert result_of(shell.at(tmp_path / name), "same") == ids[name]
        ended = shell.run("ao-get-result", "same", "--project-dir", str(tmp_path / name))
        assert ended.stdout == f"{ids[name]}\n"


def test_the_name_of_another_projects_session_is_not_found_and_says_where_it_is(
    shell: Shell, finished: Callable[..., str], new_id: Callable[[], str], tmp_path: Path
) -> None:
    session_id, name = new_id(), new_id()
    elsewhere = tmp_path / "elsewhere"
    finished(session_id, name, directory=elsewhere)
    hint = (
        f"no session {name!r} in {shell.directory}; of that name elsewhere "
        f"(give the id, or --project-dir): {session_id} ({name} in {elsewhere})"
    )
    assert shell.run("ao-get-result", name) == Ended(NOT_FOUND, "", f"ao-get-result: {hint}\n")
    resumed = shell.run("ao-resume", name, "-p", "hi")
    assert resumed == Ended(NOT_FOUND, "", f"ao-resume: {hint}\n")
    cleaned = shell.run("ao-clean", name)
    assert cleaned == Ended(NOT_FOUND, "", f"ao-clean: {hint}\n")
    assert result_of(shell, session_id) == session_id


def test_the_start_of_another_projects_id_reaches_it_to_read_and_not_to_change(
    shell: Shell, finished: Callable[..., str], new_id: Callable[[], str], tmp_path: Path
) -> None:
    session_id = finished(new_id(), "fix", directory=tmp_path / "elsewhere")
    assert result_of(shell, session_id[:-3]) == session_id
    assert shell.run("ao-clean", session_id[:-3]).exit_code == NOT_FOUND
    assert shell.run("ao-resume", session_id[:-3], "-p", "hi").exit_code == NOT_FOUND
    assert shell.run("ao-clean", session_id).exit_code == DONE


def test_a_project_path_through_a_symlink_is_the_same_project(
    shell: Shell, tmp_path: Path, project: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(project)
    made = shell.at(link).run("ao-new", "x", "--json", "--executor", "command", "--", "pwd")
    assert (made.json["project_dir"], made.json["result"]) == (str(project), f"{project}\n")
    assert result_of(shell, "x") == f"{project}"
    for reached in (link, project):
        ended = shell.at(tmp_path).run("ao-get-result", "x", "--project-dir", str(reached))
        assert ended == Ended(DONE, f"{project}\n", "")
    taken = shell.at(link).run("ao-new", "x", "--executor", "command", "--", "pwd")
    assert (taken.exit_code, "already" in taken.stderr) == (1, True)


def test_a_directory_inside_a_project_means_the_project(shell: Shell, project: Path) -> None:
    (project / ".agent-orchestrator").mkdir()
    below = project / "src" / "deep"
    below.mkdir(parents=True)
    shell.at(below).run("ao-new", "x", "--executor", "command", "--", "echo", "hi")
    assert result_of(shell, "x") == "hi"
    assert result_of(shell.at(below), "x") == "hi"


def test_the_environment_names_the_project_and_a_flag_goes_before_it(
    shell: Shell, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    told = shell.having(AGENT_ORCHESTRATOR_PROJECT_DIR=str(tmp_path / "one"))
    assert told.run("ao-show-config", "--json").json["project_dir"] == str(tmp_path / "one")
    flagged = told.run("ao-show-config", "--json", "--project-dir", "../two")
    assert flagged.json["project_dir"] == str(tmp_path / "two")

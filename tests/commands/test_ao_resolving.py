"""Session arguments: an id, a name in this project, or a unique prefix of an id."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.config import load_config
from agent_orchestrator.session_client import SessionNotFoundError
from agent_orchestrator.sessions.errors import SessionUsageError
from agent_orchestrator.sessions.resolve import resolve
from tests.commands.shell import DONE, NOT_FOUND, USAGE, Ended, Shell
from tests.support.campaign import Campaign


@pytest.fixture
def finished(records: ManagerClient, project: Path) -> Callable[..., str]:
    """A function that creates finished sessions; their answer is their id by default."""

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


def test_id_name_or_id_prefix_selects_a_session(
    shell: Shell, finished: Callable[..., str], new_id: Callable[[], str]
) -> None:
    session_id = finished(new_id(), "fix")
    assert [result_of(shell, argument) for argument in (session_id, "fix", session_id[:-3])] == [
        session_id
    ] * 3


COMMANDS_OF_A_SESSION = (
    *(("ao-clean",), ("ao-get-result",), ("ao-logs",), ("ao-rename", "y"), ("ao-status",)),
    *(("ao-resume", "-p", "hi"), ("ao-send", "-p", "hi"), ("ao-stop",), ("ao-wait",)),
)


def test_every_command_refuses_an_id_that_is_also_a_name(
    shell: Shell, finished: Callable[..., str], new_id: Callable[[], str], tmp_path: Path
) -> None:
    """The creator of a session chooses its id; here it is the name of another session."""
    genuine = finished(new_id(), "review")
    finished("review", "zzz", answer="FORGED", directory=tmp_path / "nowhere")
    for name, *rest in COMMANDS_OF_A_SESSION:
        ended = shell.run(name, "review", *rest)
        assert (ended.exit_code, ended.stdout) == (USAGE, ""), name
        assert "'review' means several sessions, say which with id:ID" in ended.stderr
        assert genuine in ended.stderr and "zzz" in ended.stderr
    assert result_of(shell, "id:review") == "FORGED"
    assert result_of(shell, f"id:{genuine}") == genuine
    assert shell.run("ao-status", "id:zzz").exit_code == NOT_FOUND


@pytest.mark.stress
def test_argument_never_selects_an_unintended_session(
    campaign: Campaign, records: ManagerClient, new_id: Callable[[], str], tmp_path: Path
) -> None:
    """Tries two sessions in relations, projects and states; `meant` holds all candidates.

    A long campaign tries every combination.
    """
    relations = ("id is the other's name", "id begins the other's", "the names are equal")
    flags = (False, True)
    states_of_both = list(itertools.product(flags, repeat=4))
    relations_and_ids = itertools.product(relations, flags)
    pairs = [(*first, states) for first in relations_and_ids for states in states_of_both]
    pairs = campaign.chance().sample(pairs, campaign.count(short=8, long=len(pairs)))
    for number, (relation, is_uuid, states) in enumerate(pairs):
        here, elsewhere = tmp_path / f"here-{number}", tmp_path / f"elsewhere-{number}"
        here.mkdir()
        config = load_config(str(here))
        first_id = str(uuid4()) if is_uuid else new_id()
        other_id = f"{first_id}-other" if "begins" in relation else f"other-{first_id}"
        other_name = f"name-of-{first_id if relation == relations[2] else other_id}"
        if relation == relations[0]:
            other_name = first_id
        sessions = []
        for session_id, name, is_here, is_archived in (
            (first_id, f"name-of-{first_id}", states[0], states[1]),
            (other_id, other_name, states[2], states[3]),
        ):
            project = str(here if is_here else elsewhere)
            records.create_session(session_id, name, project_dir=project)
            records.append_events(session_id, [{"event_type": "session_stop"}])
            sessions.append(records.archive_session(session_id, archived=is_archived))
        for session, reach in itertools.product(sessions, flags):
            for argument in (session["session_id"], session["session_name"]):
                named = [
                    s
                    for s in sessions
                    if s["session_name"] == argument and s["project_dir"] == str(here)
                ]
                with_id = [s for s in sessions if s["session_id"] == argument]
                begun = [s for s in sessions if s["session_id"].startswith(argument)]
                meant = {s["session_id"] for s in (*named, *with_id, *begun)}
                try:
                    found = resolve(records, argument, config, reach=reach)["session_id"]
                except SessionUsageError:
                    assert len(meant) == 2
                except SessionNotFoundError:
                    assert not named and not with_id
                else:
                    assert found in meant
                    assert not named or found in {s["session_id"] for s in named}
                    assert not with_id or found == argument
            exactly = resolve(records, f"id:{session['session_id']}", config, reach=reach)
            assert exactly["session_id"] == session["session_id"]


def test_name_is_found_in_either_unicode_form(
    shell: Shell, finished: Callable[..., str], new_id: Callable[[], str]
) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    old = finished(new_id(), decomposed)
    assert [result_of(shell, name) for name in (composed, decomposed)] == [old] * 2
    fresh = finished(new_id(), composed)
    assert [result_of(shell, name) for name in (composed, decomposed)] == [fresh, old]


def test_name_takes_precedence_over_an_id_prefix(
    shell: Shell, finished: Callable[..., str], new_id: Callable[[], str]
) -> None:
    first = finished(new_id(), "fix")
    second = finished(new_id(), first[:-3])
    assert result_of(shell, first[:-3]) == second


def test_ambiguous_id_prefix_is_refused_with_a_list(
    shell: Shell, finished: Callable[..., str], new_id: Callable[[], str], project: Path
) -> None:
    start = new_id()
    for number in range(3):
        finished(f"{start}-{number}", f"n{number}")
    listed = ", ".join(f"{start}-{number} (n{number} in {project})" for number in (2, 1, 0))
    assert shell.run("ao-get-result", start) == Ended(
        USAGE,
        "",
        f"ao-get-result: {start!r} means several sessions, say which with id:ID: {listed}\n",
    )


def test_ambiguous_name_is_refused_with_a_list(
    shell: Shell, finished: Callable[..., str], new_id: Callable[[], str]
) -> None:
    ids = [finished(new_id(), "same") for _ in range(3)]
    ended = shell.run("ao-get-result", "same")
    assert ended.exit_code == USAGE
    assert [session_id in ended.stderr for session_id in ids] == [True] * 3


def test_archived_session_is_found_if_no_other_has_its_name(
    shell: Shell, records: ManagerClient, finished: Callable[..., str], new_id: Callable[[], str]
) -> None:
    old = finished(new_id(), "fix")
    records._request("PATCH", f"/sessions/{old}", {"archived": True})
    assert result_of(shell, "fix") == old
    fresh = finished(new_id(), "fix")
    assert result_of(shell, "fix") == fresh
    for _ in range(20):  # newer than `fresh`, and more than one query returns
        records.archive_session(finished(new_id(), "fix"))
    assert result_of(shell, "fix") == fresh


def test_name_selects_the_session_of_the_current_project(
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


def test_name_in_another_project_is_not_found_with_a_hint(
    shell: Shell, finished: Callable[..., str], new_id: Callable[[], str], tmp_path: Path
) -> None:
    session_id, name = new_id(), new_id()
    elsewhere = tmp_path / "elsewhere"
    finished(session_id, name, directory=elsewhere)
    hint = (
        f"no session {name!r} in {shell.directory}; sessions of that name elsewhere "
        f"(give the id, or --project-dir): {session_id} ({name} in {elsewhere})"
    )
    assert shell.run("ao-get-result", name) == Ended(NOT_FOUND, "", f"ao-get-result: {hint}\n")
    resumed = shell.run("ao-resume", name, "-p", "hi")
    assert resumed == Ended(NOT_FOUND, "", f"ao-resume: {hint}\n")
    cleaned = shell.run("ao-clean", name)
    assert cleaned == Ended(NOT_FOUND, "", f"ao-clean: {hint}\n")
    assert result_of(shell, session_id) == session_id


def test_id_prefix_in_another_project_is_for_reading_only(
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


def test_directory_inside_a_project_selects_the_project(shell: Shell, project: Path) -> None:
    (project / ".agent-orchestrator").mkdir()
    below = project / "src" / "deep"
    below.mkdir(parents=True)
    shell.at(below).run("ao-new", "x", "--executor", "command", "--", "echo", "hi")
    assert result_of(shell, "x") == "hi"
    assert result_of(shell.at(below), "x") == "hi"


def test_project_dir_option_overrides_the_environment(shell: Shell, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    told = shell.having(AGENT_ORCHESTRATOR_PROJECT_DIR=str(tmp_path / "one"))
    assert told.run("ao-show-config", "--json").json["project_dir"] == str(tmp_path / "one")
    flagged = told.run("ao-show-config", "--json", "--project-dir", "../two")
    assert flagged.json["project_dir"] == str(tmp_path / "two")

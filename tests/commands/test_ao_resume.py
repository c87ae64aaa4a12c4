from __future__ import annotations

import copy
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.acp.presets.table import PRESETS
from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.console.terminal.output import local_time
from agent_orchestrator.runs.executor_table import EXECUTORS
from agent_orchestrator.session_client import SessionClientError
from agent_orchestrator.sessions.errors import SessionUsageError
from agent_orchestrator.sessions.starts.next_run import Given, plan_next
from tests.commands.shell import DONE, FAILED, USAGE, Ended, Shell
from tests.support.gate import Gate, pids_in, waiting_program
from tests.support.manager import RunningManager
from tests.support.recording import json_reply, recording
from tests.support.waiting import wait_for

NOTHING = Given()
"""No option is given: the next run repeats the last one."""


def says_what_it_would_run(ended: Ended, program: str, where: Path) -> bool:
    return (ended.exit_code, ended.stdout) == (USAGE, "") and ended.stderr == (
        "ao-resume: session 'x': you did not start its last run on this machine, or the record of "
        f"it was changed. Its record says to run the program `{program}` in {where}. To run that "
        "or something else, give also: --project-dir DIR -- PROGRAM ARG…\n"
    )


def session_of(records: ManagerClient, project: Path) -> dict[str, Any]:
    (session,) = records.find_sessions(project_dir=str(project))
    return session


def start_session(shell: Shell, *program: str, name: str = "x", prompt: str = "one") -> None:
    command = ("ao-new", name, "-p", prompt, "--executor", "command", "--", *(program or ("cat",)))
    assert shell.run(*command).exit_code == DONE


def test_a_resume_is_the_next_run_of_the_same_session(
    shell: Shell, records: ManagerClient, project: Path
) -> None:
    start_session(shell)
    first = session_of(records, project)
    assert shell.run("ao-resume", "x", "-p", "two") == Ended(DONE, "two\n", "")
    session = session_of(records, project)
    assert (session["session_id"], session["run"]) == (first["session_id"], 2)
    assert session["last_resumed_at"] is not None
    events = list(records.iterate_events(session["session_id"]))
    assert [(e["seq"], e["run"], e["event_type"]) for e in events] == [
        (1, 1, "message"),
        (2, 1, "message"),
        (3, 1, "session_stop"),
        (4, 2, "message"),
        (5, 2, "message"),
        (6, 2, "session_stop"),
    ]
    assert len({event["event_id"] for event in events}) == len(events)
    assert shell.run("ao-get-result", "x").stdout == "two\n"
    ended = shell.run("ao-resume", "x", "-p", "three", "--json")
    assert (ended.json["run"], ended.json["result"], ended.json["error"]) == (3, "three", None)
    ended = shell.run("ao-resume", "x", "--", "sh", "-c", "exit 3")
    assert ended == Ended(FAILED, "", "ao-resume: session 'x' failed: sh ended with exit code 3\n")
    session = session_of(records, project)
    assert (session["reason"], session["exit_code"]) == ("failed", 3)


def test_resume_reuses_the_program_unless_another_is_given(
    shell: Shell,
) -> None:
    start_session(shell, "sed", "s/^/first /")
    assert shell.run("ao-resume", "x", "-p", "two").stdout == "first two\n"
    replaced = shell.run("ao-resume", "x", "-p", "three", "--", "sed", "s/^/second /")
    assert replaced.stdout == "second three\n"
    assert shell.run("ao-resume", "x", "-p", "four").stdout == "second four\n"


def test_resume_from_another_state_directory_needs_a_program(
    shell: Shell, manager: RunningManager, tmp_path: Path
) -> None:
    start_session(shell)
    other = shell.having(
        AGENT_ORCHESTRATOR_STATE_DIR=str(tmp_path / "other"),
        AGENT_ORCHESTRATOR_TOKEN=manager.token,
    )
    project = str(shell.directory)
    assert says_what_it_would_run(other.run("ao-resume", "x", "-p", "two"), "cat", shell.directory)
    assert shell.run("ao-status", "x").stdout == "finished\n"
    again = ("ao-resume", "x", "-p", "two", "--project-dir", project, "--", "cat")
    assert other.run(*again) == Ended(DONE, "two\n", "")
    assert other.run("ao-resume", "x", "-p", "three") == Ended(DONE, "three\n", "")


def test_tampered_program_is_not_executed(
    shell: Shell, records: ManagerClient, project: Path, tmp_path: Path
) -> None:
    start_session(shell)
    session_id = session_of(records, project)["session_id"]
    spec = records.list_runs(session_id)[-1]["spec"]
    proof = tmp_path / "executed"
    records.open_run(session_id, spec={**spec, "command": ["touch", str(proof)]})
    records.add_event(session_id, {"event_type": "session_stop"})
    ended = shell.run("ao-resume", "x", "-p", "two")
    assert says_what_it_would_run(ended, f"touch {proof}", project)
    assert not proof.exists()


def test_spec_sealed_for_another_session_is_not_executed(
    shell: Shell, records: ManagerClient, project: Path, new_id: Any
) -> None:
    start_session(shell)
    spec = records.list_runs(session_of(records, project)["session_id"])[-1]["spec"]
    shell.run("ao-rename", "x", "before")
    other = new_id()
    records.create_named_session(
        other, "x", project_dir=str(project), executor="command", spec=spec
    )
    records.add_event(other, {"event_type": "session_stop"})
    assert says_what_it_would_run(shell.run("ao-resume", "x", "-p", "two"), "cat", project)


@pytest.mark.parametrize("is_ours", [True, False])
def test_raised_permission_mode_is_reused_only_where_it_was_set(
    shell: Shell,
    records: ManagerClient,
    manager: RunningManager,
    project: Path,
    tmp_path: Path,
    is_ours: bool,
) -> None:
    """The mode is in the spec of the new run, although its program ignores the mode."""
    mode = ["--permission-mode", "bypassPermissions"]
    shell.run("ao-new", "x", "-p", "one", *mode, "--executor", "command", "--", "cat")
    other = shell.having(
        AGENT_ORCHESTRATOR_STATE_DIR=str(tmp_path / "other"),
        AGENT_ORCHESTRATOR_TOKEN=manager.token,
    )
    resuming = shell if is_ours else other
    where = ("--project-dir", str(project))
    assert resuming.run("ao-resume", "x", "-p", "two", *where, "--", "cat").exit_code == DONE
    specs = [run["spec"] for run in records.list_runs(session_of(records, project)["session_id"])]
    modes = [spec["permission_mode"] for spec in specs]
    assert modes == ["bypassPermissions", "bypassPermissions" if is_ours else None]


def test_loser_of_two_resumes_learns_where_the_session_runs(
    shell: Shell, records: ManagerClient, project: Path, gate: Gate, started: Path
) -> None:
    start_session(shell)
    program = waiting_program(started, gate)
    racing = [shell.start("ao-resume", "x", "--", *program) for _ in range(2)]
    wait_for(lambda: pids_in(started), "one of the programs runs")
    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(running.end) for running in racing]
        wait_for(lambda: any(end.done() for end in ends), "the other command has failed")
        gate.open("won")
        won, lost = sorted((end.result() for end in ends), key=lambda end: end.exit_code)
    assert won == Ended(DONE, "won\n", "")
    assert (lost.exit_code, lost.stdout) == (FAILED, "")
    since = local_time(session_of(records, project)["started_at"])
    assert lost.stderr == (
        f"ao-resume: session 'x' is running on {socket.gethostname()} since {since}: "
        "wait for it with ao-wait, stop it with ao-stop, continue it as another session with "
        "--fork NAME, or add --takeover\n"
    )
    assert len(pids_in(started) or []) == 1


def test_takeover_marks_a_dead_run_as_lost(
    shell: Shell, records: ManagerClient, project: Path, new_id: Any
) -> None:
    session_id = new_id()
    records.create_named_session(
        session_id, "x", project_dir=str(project), executor="command", host="far-away"
    )
    again = ("--project-dir", str(project), "--", "cat")
    refused = shell.run("ao-resume", "x", "-p", "hi", *again)
    assert refused.exit_code == FAILED
    assert "session 'x' is running on far-away since " in refused.stderr
    taken = shell.run("ao-resume", "x", "-p", "hi", "--takeover", *again)
    assert taken == Ended(DONE, "hi\n", "")
    runs = records.list_runs(session_id)
    assert [run["reason"] for run in runs] == ["lost", "completed"]


def test_resume_of_a_running_session_without_host_is_refused(
    shell: Shell, records: ManagerClient, project: Path, new_id: Any
) -> None:
    records.create_session(new_id(), "x", project_dir=str(project))
    refused = shell.run("ao-resume", "x", "-p", "hi", "--project-dir", str(project))
    assert refused.exit_code == FAILED
    assert "session 'x' is running since " in refused.stderr
    assert "None" not in refused.stderr


def test_full_id_resumes_a_session_in_its_own_project(
    shell: Shell, records: ManagerClient, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    start_session(shell.at(elsewhere), "pwd")
    session_id = session_of(records, elsewhere)["session_id"]
    assert shell.run("ao-resume", session_id) == Ended(DONE, f"{elsewhere}\n", "")


def test_resume_reports_a_project_missing_on_this_machine(
    shell: Shell, records: ManagerClient, project: Path
) -> None:
    start_session(shell)
    session_id = session_of(records, project)["session_id"]
    project.rename(project.with_name("moved"))
    assert shell.at(project.parent).run("ao-resume", session_id) == Ended(
        USAGE,
        "",
        f"ao-resume: the session's project {project} is not on this machine: say where it is with "
        "--project-dir\n",
    )
    assert records.get_status(session_id) == "finished"


def other_values(value: Any, evil: Path) -> list[Any]:
    """Return values that an attacker could store in place of this value."""
    values: list[Any] = [
        None,
        "yolo",
        str(evil),
        "bypassPermissions",
        ["touch", str(evil / "proof")],
        {},
        7,
    ]
    return [other for other in values if other != value]


def changes_of(content: Any, evil: Path) -> Iterator[tuple[str, Any]]:
    """Yield copies of the content, each with one value changed."""
    parts = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in parts:
        for other in other_values(value, evil):
            changed = copy.deepcopy(content)
            changed[key] = other
            yield str(key), changed
        for inner, changed_value in (
            changes_of(value, evil) if value and isinstance(value, dict | list) else ()
        ):
            changed = copy.deepcopy(content)
            changed[key] = changed_value
            yield f"{key}.{inner}", changed


def test_next_run_repeats_the_last_one_or_is_asked_for(
    shell: Shell, records: ManagerClient, project: Path, tmp_path: Path
) -> None:
    """Changes every value that the manager reports about a session and its runs.

    A value can be changed by PATCH, by POST, by an import, or by a manager that lies.
    """
    agents = project / ".agent-orchestrator" / "agents"
    for name, program in (("deploy", ["cat"]), ("yolo", ["sh"])):
        (agents / name).mkdir(parents=True)
        (agents / name / "agent.json").write_text(json.dumps({"command": program}))
    evil = tmp_path / "evil"
    evil.mkdir()
    wanted = ("--agent", "deploy", "--model", "haiku", "--permission-mode", "plan")
    assert shell.run("ao-new", "x", "-p", "one", *wanted).exit_code == DONE
    session = session_of(records, project)
    runs = records.list_runs(session["session_id"])
    genuine = plan_next(records, session, NOTHING)
    assert (genuine.command, genuine.model, genuine.project_dir) == (("cat",), "haiku", project)

    told: list[Any] = []
    asked: set[str] = set()
    same: set[str] = set()
    refused: set[str] = set()
    with recording(lambda _: json_reply(told[-1])) as liar, ManagerClient(liar.url) as client:
        for name, changed in changes_of({"session": session, "runs": runs}, evil):
            told.append(changed)
            try:
                found = client.get_session(session["session_id"])
                assert plan_next(client, found, NOTHING) == genuine, name
                same.add(name)
            except SessionUsageError:
                asked.add(name)
            except SessionClientError:  # not a valid answer of a manager
                refused.add(name)
    sealed = {f"runs.0.spec.{key}" for key in runs[-1]["spec"]}
    of_the_session = {"session.agent_name", "session.executor", "session.project_dir"}
    assert {*sealed, *of_the_session, "session.session_id", "runs.0.run", "runs.0.spec"} <= asked
    assert {"session.session_name", "session.host", "runs.0.host"} <= same - asked
    assert same.isdisjoint(asked)
    assert refused


def test_changed_directory_or_definition_needs_consent(
    shell: Shell, records: ManagerClient, project: Path, tmp_path: Path
) -> None:
    evil = tmp_path / "evil"
    (evil / "run.sh").parent.mkdir()
    for directory, word in ((project, "genuine"), (evil, "evil")):
        (directory / "run.sh").write_text(f"#!/bin/sh\necho {word}\n")
        (directory / "run.sh").chmod(0o755)
    definition = project / ".agent-orchestrator" / "agents" / "deploy" / "agent.json"
    definition.parent.mkdir(parents=True)
    definition.write_text('{"command": ["./run.sh"]}')
    assert shell.run("ao-new", "x", "--agent", "deploy").stdout == "genuine\n"
    session_id = session_of(records, project)["session_id"]
    records._request("PATCH", f"/sessions/{session_id}", {"project_dir": str(evil)})
    asked = shell.at(evil).run("ao-resume", session_id)
    assert (asked.exit_code, asked.stdout) == (USAGE, "")
    for said in ("it was changed since", "./run.sh", "'deploy'", str(project), "--project-dir DIR"):
        assert said in asked.stderr
    again = ("--project-dir", str(project), "--agent", "deploy")
    assert shell.run("ao-resume", session_id, *again).stdout == "genuine\n"
    assert shell.at(evil).run("ao-resume", session_id).stdout == "genuine\n"
    definition.write_text('{"command": ["./run.sh"], "permission_mode": "bypassPermissions"}')
    asked = shell.run("ao-resume", session_id, "--fork", "other")
    assert (asked.exit_code, "give --agent deploy" in asked.stderr) == (USAGE, True)
    assert shell.run("ao-resume", session_id, "--agent", "deploy").stdout == "genuine\n"


def test_unknown_executor_is_reported(
    shell: Shell, records: ManagerClient, project: Path, new_id: Any
) -> None:
    records.create_named_session(new_id(), "x", project_dir=str(project), executor="magic")
    (session,) = records.find_sessions(project_dir=str(project))
    records.add_event(session["session_id"], {"event_type": "session_stop"})
    ended = shell.run("ao-resume", "x", "-p", "hi")
    assert (ended.exit_code, ended.stdout) == (USAGE, "")
    known = f"known executors: {', '.join([*EXECUTORS, *PRESETS])}; others are added in "
    assert ended.stderr.startswith(f"ao-resume: unknown executor 'magic'; {known}")

"""Unattended runs: `--detach`, `--timeout`, and sessions started from inside a run."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.sessions.resolve import find_descendants
from tests.commands.detached_session import start_detached
from tests.commands.processes import is_alive
from tests.commands.shell import DONE, FAILED, NOT_FINISHED, Ended, Shell
from tests.support.gate import Gate, pids_in, waiting_program


def session_of(records: ManagerClient, project: Path) -> dict[str, Any]:
    (session,) = records.find_sessions(project_dir=str(project))
    return session


def test_detached_session_prints_its_id_and_keeps_running(
    shell: Shell, records: ManagerClient, project: Path, gate: Gate, started: Path
) -> None:
    session_id, pid = start_detached(shell, "x", started, gate)
    assert session_of(records, project)["session_id"] == session_id
    assert is_alive(pid)
    assert shell.run("ao-status", "x") == Ended(DONE, "running\n", "")
    assert shell.run("ao-get-result", "x") == Ended(
        NOT_FINISHED, "", "ao-get-result: session 'x' is still running\n"
    )
    gate.open("the answer")
    assert shell.run("ao-wait", "x") == Ended(DONE, "x finished\n", "")
    assert shell.run("ao-status", "x").stdout == "finished\n"
    assert shell.run("ao-get-result", "x") == Ended(DONE, "the answer\n", "")


def test_json_is_the_running_session(
    shell: Shell, records: ManagerClient, project: Path, gate: Gate, started: Path
) -> None:
    program = waiting_program(started, gate)
    ended = shell.run("ao-new", "x", "-d", "--json", "--executor", "command", "--", *program)
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert (ended.json["status"], ended.json["session_name"]) == ("running", "x")
    assert ended.json["session_id"] == session_of(records, project)["session_id"]


def test_resume_can_be_detached_and_has_no_result_while_it_runs(
    shell: Shell, gate: Gate, started: Path
) -> None:
    assert shell.run("ao-new", "x", "--executor", "command", "--", "echo", "old").exit_code == DONE
    program = waiting_program(started, gate)
    ended = shell.run("ao-resume", "x", "--detach", "--json", "--", *program)
    assert (ended.exit_code, ended.json["status"], ended.json["run"]) == (DONE, "running", 2)
    assert shell.run("ao-status", "x").stdout == "running\n"
    assert shell.run("ao-get-result", "x").exit_code == NOT_FINISHED
    gate.open("again")
    assert shell.run("ao-wait", "x").exit_code == DONE
    assert shell.run("ao-get-result", "x").stdout == "again\n"


def test_sessions_run_concurrently(shell: Shell, started: Path, tmp_path: Path) -> None:
    names = ["one", "two"]
    with ExitStack() as stack:
        # One gate per program: two readers of one FIFO would share the bytes of a word.
        gates = [stack.enter_context(closing(Gate(tmp_path / name))) for name in names]
        started_at = zip(names, gates, strict=True)
        pids = [start_detached(shell, name, started, gate)[1] for name, gate in started_at]
        assert all(is_alive(pid) for pid in pids)
        for name, gate in zip(names, gates, strict=True):
            gate.open(name)
        ended = shell.run("ao-wait", *names)
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    for name in names:
        assert shell.run("ao-get-result", name).stdout == f"{name}\n"


def test_run_past_its_timeout_is_stopped_as_timed_out(
    shell: Shell, records: ManagerClient, project: Path, gate: Gate, started: Path
) -> None:
    program = waiting_program(started, gate)
    command = ("ao-new", "x", "--timeout", "1", "--executor", "command", "--", *program)
    assert shell.run(*command) == Ended(
        FAILED,
        "",
        "ao-new: session 'x' reached its time limit: it took more than 1 s; "
        "ao-resume continues it\n",
    )
    # On a slow machine, the time is up before the program has written its pid.
    assert not any(map(is_alive, pids_in(started, 0) or []))
    session = session_of(records, project)
    assert (session["status"], session["reason"], session["exit_code"]) == (
        "finished",
        "timeout",
        124,
    )


def test_resume_does_not_reuse_the_timeout(shell: Shell) -> None:
    shell.run("ao-new", "x", "--timeout", "0.001", "--executor", "command", "--", "cat")
    assert shell.run("ao-resume", "x", "-p", "hi") == Ended(DONE, "hi\n", "")


def test_session_started_inside_a_session_is_its_child(
    shell: Shell, records: ManagerClient, project: Path
) -> None:
    inner = shell.forked_command(
        "ao-new", "child", "-p", "hi", "--executor", "command", "--", "cat"
    )
    ended = shell.run("ao-new", "parent", "--executor", "command", "--", *inner)
    assert ended == Ended(DONE, "hi\n", "")
    child, parent = records.find_sessions(project_dir=str(project))
    assert (child["session_name"], parent["session_name"]) == ("child", "parent")
    assert child["parent_session_id"] == parent["session_id"]
    assert [s["session_id"] for s in find_descendants(records, parent["session_id"])] == [
        child["session_id"]
    ]


def test_new_ignores_an_unknown_parent(shell: Shell) -> None:
    stray = shell.having(AGENT_ORCHESTRATOR_SESSION_ID="of-another-manager")
    ended = stray.run("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
    assert ended == Ended(DONE, "hi\n", "")


def test_tree_lists_each_session_below_its_parent(
    shell: Shell, records: ManagerClient, project: Path
) -> None:
    for name, parent in (("a", None), ("b", "a"), ("c", "b"), ("d", "a"), ("e", None)):
        records.create_named_session(
            f"{project.parent.name}-{name}",
            name,
            project_dir=str(project),
            parent_session_id=parent and f"{project.parent.name}-{parent}",
        )
    ended = shell.run("ao-list-sessions", "--here", "--tree")
    rows = [line.split("  ")[0] for line in ended.stdout.splitlines()[1:]]
    assert rows == ["e", "a", "└ d", "└ b", "└ └ c"]
    limited = shell.run("ao-list-sessions", "--here", "--tree", "--limit", "3")
    rows = [line.split("  ")[0] for line in limited.stdout.splitlines()[1:]]
    assert rows == ["e", "d", "c"]

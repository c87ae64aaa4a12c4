"""Commands inside a run: the rights of the run's token, and the places where it is visible."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.machine.environment import outbox_dir
from agent_orchestrator.outbox.outbox import Outbox
from tests.commands.detached_session import start_detached
from tests.commands.processes import is_alive, supervisor_of
from tests.commands.shell import DONE, FAILED, NOT_FOUND, Ended, Shell
from tests.support.api import Api
from tests.support.gate import Gate
from tests.support.manager import RunningManager
from tests.support.recording import recording
from tests.support.waiting import wait_for

TOKEN = "AGENT_ORCHESTRATOR_RUN_TOKEN"
CAT = ("--executor", "command", "--", "cat")

_RUN_ALL = """
import json, subprocess, sys
def run(arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return [done.returncode, done.stdout, done.stderr]
print(json.dumps([run(arguments) for arguments in json.loads(sys.argv[1])]))
"""


def run_inside(shell: Shell, *commands: list[str], name: str = "parent") -> list[Ended]:
    """Run commands one after the other inside a run that this shell starts."""
    program = [sys.executable, "-c", _RUN_ALL, json.dumps(commands)]
    ended = shell.run("ao-new", name, "--executor", "command", "--", *program)
    assert ended.exit_code == DONE, ended.stderr
    return [Ended(*told) for told in ended.json]


@pytest.fixture
def inside(shell: Shell, gate: Gate, tmp_path: Path) -> Iterator[Shell]:
    """A shell with the environment of an agent whose run lasts as long as the test."""
    told = tmp_path / "environment"
    tell = 'env -0 > "$0.new"; mv "$0.new" "$0"; read word < "$1"'
    program = ("sh", "-c", tell, str(told), str(gate.path))
    running = shell.start("ao-new", "parent", "--executor", "command", "--", *program)
    wait_for(told.exists, "the agent runs")
    variables = told.read_text().rstrip("\0").split("\0")
    yield replace(shell, environment=dict(variable.split("=", 1) for variable in variables))
    gate.open()
    assert running.end().exit_code == DONE


def test_agent_starts_and_reads_only_its_family(shell: Shell, inside: Shell) -> None:
    assert shell.run("ao-new", "stranger", "-p", "secret", *CAT).exit_code == DONE
    reading = [
        ["ao-status", "child"],
        ["ao-get-result", "child"],
        ["ao-wait", "child"],
        ["ao-wait", "child", "detached"],
        ["ao-logs", "child", "--follow"],
        ["ao-logs", "child", "--json"],
        ["ao-export", "child"],
        ["ao-list-sessions", "--json"],
        ["ao-status", "stranger"],
        ["ao-get-result", "stranger"],
        ["ao-logs", "stranger"],
        ["ao-export", "stranger"],
        ["ao-doctor"],
    ]
    starting = [
        ["ao-new", "child", "-p", "the answer", *CAT],
        ["ao-new", "detached", "-p", "later", "--detach", *CAT],
    ]
    done = [inside.run(*command) for command in (*starting, *reading)]
    child, detached, status, result, wait, wait_both, logs, events, export, listed, *others = done
    assert child == Ended(DONE, "the answer\n", "")
    assert (detached.exit_code, detached.stderr) == (DONE, "")
    assert status == Ended(DONE, "finished\n", "")
    assert result == Ended(DONE, "the answer\n", "")
    assert wait == Ended(DONE, "child finished\n", "")
    assert wait_both.exit_code == DONE
    assert (logs.exit_code, "the answer" in logs.stdout) == (DONE, True)
    assert len(events.stdout.splitlines()) > 2
    assert (export.exit_code, "the answer" in export.stdout) == (DONE, True)
    names = [session["session_name"] for session in listed.json]
    assert names == ["detached", "child", "parent"]
    stranger, its_result, its_logs, its_export, doctor = others
    assert stranger == Ended(NOT_FOUND, "not_existent\n", "")
    assert [ended.exit_code for ended in (its_result, its_logs, its_export)] == [NOT_FOUND] * 3
    assert "secret" not in its_logs.stdout + its_result.stdout + its_export.stdout
    assert "cannot" not in doctor.stdout


def test_agent_reads_its_grandchildren_too(shell: Shell) -> None:
    grandchild = shlex.join(shell.forked_command("ao-new", "grandchild", "-p", "deep", *CAT))
    child = shell.forked_command(
        "ao-new", "child", "--executor", "command", "--", "sh", "-c", grandchild
    )
    started, result, tree = run_inside(
        shell,
        child,
        shell.forked_command("ao-get-result", "grandchild"),
        shell.forked_command("ao-list-sessions", "--tree"),
    )
    assert started == result == Ended(DONE, "deep\n", "")
    rows = [row.split("  ")[0] for row in tree.stdout.splitlines()[1:]]
    assert rows == ["parent", "└ child", "└ └ grandchild"]


def test_forbidden_command_inside_a_run_fails_with_one_line(
    shell: Shell, inside: Shell, records: ManagerClient, project: Path
) -> None:
    assert shell.run("ao-new", "child", "-p", "hi", *CAT).exit_code == DONE
    before = list(records.find_sessions(project_dir=str(project)))
    refused = (
        ["ao-rename", "child", "other"],
        ["ao-usage"],
        ["ao-clean", "child"],
        ["ao-dashboard", "--print"],
    )
    for name, *arguments in refused:
        ended = inside.run(name, *arguments)
        assert (ended.exit_code, ended.stdout) == (FAILED, "")
        assert ended.stderr.startswith(f"{name}: not allowed inside a run")
        assert "ask the person" in ended.stderr
        assert ended.stderr.count("\n") == 1
    assert list(records.find_sessions(project_dir=str(project))) == before


def test_agent_stops_and_resumes_its_child_but_not_itself(
    shell: Shell, inside: Shell, records: ManagerClient, project: Path
) -> None:
    assert shell.run("ao-new", "stranger", "-p", "secret", *CAT).exit_code == DONE
    sleep = ("--detach", "--executor", "command", "--", "sh", "-c", "cat; exec sleep 600")
    assert inside.run("ao-new", "child", "-p", "one", *sleep).exit_code == DONE
    told = inside.run("ao-send", "child", "-p", "hi")
    assert (told.exit_code, "accepts no messages" in told.stderr) == (FAILED, True)
    assert inside.run("ao-stop", "child") == Ended(DONE, "child stopped\n", "")
    resumed = inside.run("ao-resume", "child", "-p", "two", "--", "cat")
    assert resumed == Ended(DONE, "two\n", "")
    forked = inside.run("ao-resume", "child", "-p", "three", "--fork", "fork", "--", "cat")
    assert forked == Ended(DONE, "three\n", "")
    before = list(records.find_sessions(project_dir=str(project)))
    for name, *arguments in (
        ["ao-stop", "child", "parent"],
        ["ao-send", "parent", "-p", "hi"],
        ["ao-resume", "parent", "-p", "hi", "--takeover", "--", "cat"],
    ):
        ended = inside.run(name, *arguments)
        assert (ended.exit_code, ended.stdout) == (FAILED, "")
        assert ended.stderr.startswith(f"{name}: 'parent' is the session of this run")
    for name in ("ao-stop", "ao-send", "ao-resume"):
        ended = inside.run(name, "stranger", *(["-p", "hi"] if name != "ao-stop" else []))
        assert ended.exit_code == NOT_FOUND
    assert list(records.find_sessions(project_dir=str(project))) == before


def test_stop_inside_a_run_signals_nobody_during_an_outage(
    shell: Shell, inside: Shell, gate: Gate
) -> None:
    away = inside.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL="http://127.0.0.1:9")
    away = away.having(AGENT_ORCHESTRATOR_RUN_MANAGER_URL="http://127.0.0.1:9")
    ended = away.run("ao-stop", "parent")
    assert (ended.exit_code, "asking the supervisors" in ended.stderr) == (FAILED, False)
    assert shell.run("ao-status", "parent") == Ended(DONE, "running\n", "")


def test_each_run_has_its_own_token_until_it_ends(
    shell: Shell, manager: RunningManager, tmp_path: Path
) -> None:
    kept = tmp_path / "tokens"
    program = ("--executor", "command", "--", "sh", "-c", f'echo "${TOKEN}" >> "$0"', str(kept))
    for arguments in (
        ("ao-new", "one", *program),
        ("ao-new", "two", *program),
        ("ao-resume", "one"),
    ):
        assert shell.run(*arguments).exit_code == DONE
    tokens = kept.read_text().split()
    assert len({*tokens}) == len(tokens) == 3
    with Api(manager) as api:
        for token in tokens:
            api.headers = {"Authorization": f"Bearer {token}"}
            # The supervisor revokes it once the manager has the whole record.
            wait_for(lambda: api.get("/sessions").status == 401, "the token is revoked")
            assert api.get("/sessions").refusal == (401, "run_token_unknown")
    left_over = shell.having(
        AGENT_ORCHESTRATOR_RUN_TOKEN=tokens[0], AGENT_ORCHESTRATOR_RUN_MANAGER_URL=manager.url
    )
    told = left_over.run("ao-list-sessions")
    assert told.exit_code == FAILED
    assert "has ended: use another shell, or unset AGENT_ORCHESTRATOR_RUN_TOKEN " in told.stderr


def test_run_token_is_only_in_the_agents_environment(
    shell: Shell, manager: RunningManager, gate: Gate, started: Path
) -> None:
    session_id, pid = start_detached(shell, "x", started, gate)
    token = psutil.Process(pid).environ()[TOKEN]
    supervisor = psutil.Process(supervisor_of(shell.state_dir, session_id).pid)
    assert token.encode() not in Path(f"/proc/{supervisor.pid}/environ").read_bytes()
    for process in psutil.process_iter(["cmdline"]):
        told = " ".join(process.info["cmdline"] or ())
        assert token not in told
        assert manager.token not in told
    assert manager.token not in psutil.Process(pid).environ().values()
    files = [*shell.state_dir.rglob("*"), *manager.directory.rglob("*")]
    kept = b"".join(file.read_bytes() for file in files if file.is_file())
    assert session_id.encode() in kept
    assert token.encode() not in kept
    gate.open()
    assert shell.run("ao-wait", "x").exit_code == DONE


def test_agent_cannot_settle_requests_to_its_run(
    shell: Shell, records: ManagerClient, manager: RunningManager, gate: Gate, started: Path
) -> None:
    """Only the supervisor settles requests, for example a stop."""
    session_id, pid = start_detached(shell, "x", started, gate)
    token = psutil.Process(pid).environ()[TOKEN]
    run = f"/sessions/{session_id}/runs/1"
    with Api(manager) as api:
        api.headers = {"Authorization": f"Bearer {token}"}
        assert api.post(f"/sessions/{session_id}/events", {"event_type": "x"}).status == 201
        for refused in (
            api.put(f"{run}/requests/r", {"state": "refused"}),
            api.get(f"{run}/requests"),
            api.put(f"{run}/lease", {"holder": "the agent"}),
            api.delete(f"{run}/token"),
            api.post(f"/transcripts/entries?project_key=sessions&session_id={session_id}", [{}]),
        ):
            assert refused.refusal == (403, "not_for_runs")
    assert shell.run("ao-stop", "x") == Ended(DONE, "x stopped\n", "")
    assert not is_alive(pid)


def test_agent_without_our_state_directory_uses_its_token(inside: Shell, tmp_path: Path) -> None:
    """In a sandbox, for example, the agent cannot read the control token."""
    elsewhere = inside.having(AGENT_ORCHESTRATOR_STATE_DIR=str(tmp_path / "empty"))
    started = elsewhere.run("ao-new", "child", "-p", "as well", *CAT)
    assert started == Ended(DONE, "as well\n", "")
    listed = elsewhere.run("ao-list-sessions", "--json").json
    assert [s["session_name"] for s in listed] == ["child", "parent"]


def test_run_token_is_not_sent_to_another_manager(shell: Shell) -> None:
    with recording() as server:
        elsewhere = ["env", f"AGENT_ORCHESTRATOR_SESSION_MANAGER_URL={server.url}"]
        (ended,) = run_inside(shell, [*elsewhere, *shell.forked_command("ao-status", "x")])
    assert ended.exit_code == FAILED
    assert server.requests
    assert [r.headers.get("authorization") for r in server.requests] == [None] * len(
        server.requests
    )


def test_command_inside_a_run_ignores_outboxes_of_others(
    shell: Shell, records: ManagerClient
) -> None:
    created = records.create_session("left-over", "left-over")
    path = outbox_dir(shell.state_dir) / "left-over.1.db"
    (inside,) = run_inside(
        shell,
        [
            sys.executable,
            "-c",
            "import subprocess, sys\n"
            "from pathlib import Path\n"
            "from agent_orchestrator.outbox.outbox import Outbox, Run\n"
            f"run = Run(session_id='left-over', run=1, url={records.base_url!r})\n"
            f"with Outbox(Path({str(path)!r}), run) as outbox:\n"
            "    outbox.add({'event_type': 'x', 'event_id': '1'})\n"
            "sys.exit(subprocess.run(sys.argv[1:]).returncode)",
            *shell.forked_command("ao-list-sessions", "--json"),
        ],
    )
    assert [s["session_name"] for s in inside.json] == ["parent"]
    assert records.get_session("left-over")["last_seq"] == created["last_seq"] == 0
    with Outbox(path) as outbox:
        assert (outbox.count_waiting(), outbox.list_refused()) == (1, [])
    assert shell.run("ao-list-sessions").exit_code == DONE  # delivers the outbox
    assert records.get_session("left-over")["last_seq"] == 1


def test_supervisor_uses_only_the_token_of_its_run(
    shell: Shell, records: ManagerClient, gate: Gate, started: Path, manager: RunningManager
) -> None:
    """Without the token, no event of the run is stored until another command delivers it."""
    session_id, pid = start_detached(shell, "x", started, gate)
    supervisor = supervisor_of(shell.state_dir, session_id).pid
    wait_for(lambda: records.get_session(session_id)["last_seq"], "the prompt is stored")
    records.revoke_run_tokens(session_id, 1)
    gate.open("said after it was revoked")
    wait_for(lambda: not is_alive(supervisor), "the supervisor ends")
    assert records.get_session(session_id)["status"] == "running"
    assert shell.run("ao-get-result", "x") == Ended(DONE, "said after it was revoked\n", "")


def test_child_that_cannot_start_is_closed_as_failed(
    shell: Shell, records: ManagerClient, project: Path, tmp_path: Path
) -> None:
    state = tmp_path / "no-outbox"
    state.mkdir(mode=0o700)
    (state / "outbox").touch()
    broken = ["env", f"AGENT_ORCHESTRATOR_STATE_DIR={state}"]
    (ended,) = run_inside(shell, [*broken, *shell.forked_command("ao-new", "child", *CAT)])
    assert ended.exit_code == FAILED
    assert "could not be started" in ended.stderr
    child, _ = records.find_sessions(project_dir=str(project))
    assert (child["session_name"], child["reason"]) == ("child", "failed")


def test_run_whose_events_are_refused_can_be_stopped(
    shell: Shell, records: ManagerClient, started: Path, gate: Gate
) -> None:
    session_id, pid = start_detached(shell, "x", started, gate)
    records.revoke_run_tokens(session_id, 1)
    assert shell.run("ao-stop", "x") == Ended(DONE, "x stopped\n", "")
    assert not is_alive(pid)
    assert records.get_session(session_id)["reason"] == "stopped"

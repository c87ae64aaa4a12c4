"""Notices: a session hears that the sessions which its agent has started have ended."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import Json, ManagerClient
from agent_orchestrator.runs.registry import Registered, list_registered
from tests.commands.ended_run import wait_for_run
from tests.commands.shell import DONE, USAGE, Shell
from tests.support.gate import Gate, pids_in, waiting_program
from tests.support.waiting import wait_for


@pytest.fixture
def shell(shell: Shell) -> Shell:
    return shell.with_forked_commands()


LEAD = """
import subprocess, sys
prompt = sys.stdin.read()
if prompt.strip() in ("start", "hi"):
    for command in sys.argv[1:]:
        subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL)
print("heard: " + prompt)
"""


def start_lead(shell: Shell, *commands: str) -> Json:
    """Run a lead that starts sessions and ends; a later run of it prints its prompt."""
    program = [sys.executable, "-c", LEAD, *commands]
    arguments = ("lead", "-p", "start", "--json", "--executor", "command", "--", *program)
    ended = shell.run("ao-new", *arguments)
    assert ended.exit_code == DONE, ended.stderr
    session: Json = ended.json
    return session


def child(name: str, *program: str) -> str:
    told = ("ao-new", name, "-p", "x", "--detach", "--notify", "--executor", "command", "--")
    return shlex.join([*told, *program])


def waiting(shell: Shell, session_id: str) -> list[Registered]:
    return [
        entry
        for entry in list_registered(shell.state_dir)
        if entry.run.session_id == session_id and entry.run.waits and entry.is_supervised
    ]


def wait_until_waiting(shell: Shell, session_id: str) -> int:
    (entry,) = wait_for(lambda: waiting(shell, session_id), "its supervisor waits for notices")
    return entry.run.pid


def test_lead_that_ended_goes_on_when_its_sessions_end(
    shell: Shell, records: ManagerClient, gate: Gate, started: Path
) -> None:
    slow = child("slow", *waiting_program(started, gate))
    lead = start_lead(shell, slow, child("failing", "sh", "-c", "echo oh no; exit 3"))
    session_id = lead["session_id"]
    # The notice of the fast one does not wait for the slow one.
    wait_for_run(records, session_id, 2)
    pid = wait_until_waiting(shell, session_id)
    assert "1 supervisor waiting" in shell.run("ao-doctor").stdout
    gate.open("the answer")
    session = wait_for_run(records, session_id, 3)
    assert session["undelivered_notices"] == 0
    events = list(records.iterate_events(session_id))
    first, second = (event for event in events if event.get("origin") == "notice")
    assert (first["run"], second["run"]) == (2, 3)
    heard = {e["notice_batch"]: e for e in events if e.get("notice_batch")}
    assert [event["run"] for event in heard.values()] == [2, 3]
    assert {event.get("role") for event in heard.values()} == {"assistant"}
    assert 'Session "failing"' in first["content"][0]["text"]
    assert "failed, exit code 3" in first["content"][0]["text"]
    assert "| the answer" in second["content"][0]["text"]
    assert "heard: [Agent Orchestrator]" in records.get_result(session_id)
    wait_for(lambda: not waiting(shell, session_id), "no supervisor waits")
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the waiting process has ended")
    assert [run["run"] for run in records.list_runs(session_id)] == [1, 2, 3]


def test_stopped_wait_starts_nothing_and_resume_tells_all(
    shell: Shell, records: ManagerClient, gate: Gate, started: Path
) -> None:
    session_id = start_lead(shell, child("slow", *waiting_program(started, gate)))["session_id"]
    wait_until_waiting(shell, session_id)
    stopped = shell.run("ao-stop", "lead")
    assert (stopped.exit_code, stopped.stdout) == (DONE, "lead finished\n")
    assert [entry.run.session_name for entry in list_registered(shell.state_dir)] == ["slow"]
    gate.open("the answer")
    assert shell.run("ao-wait", "slow").exit_code == DONE
    assert "'lead': 1 notice of ended sessions wait" in shell.run("ao-doctor").stdout
    status = shell.run("ao-status", "lead")
    assert status.stdout == "finished\n"
    assert "1 notice of ended sessions below it wait, and no supervisor does" in status.stderr
    resumed = shell.run("ao-resume", "lead", "-p", "Next.")
    assert resumed.exit_code == DONE, resumed.stderr
    assert resumed.stdout.startswith("heard: [Agent Orchestrator]")
    assert "| the answer" in resumed.stdout
    assert resumed.stdout.endswith("The prompt of this run follows.\n\nNext.\n")
    assert shell.run("ao-status", "lead").stderr == ""
    told = [e for e in records.iterate_events(session_id) if e.get("notice_batch")]
    assert [(event["run"], event.get("origin")) for event in told] == [(2, None)]


def test_killed_wait_leaves_the_notices_to_a_resume(
    shell: Shell, records: ManagerClient, gate: Gate, started: Path
) -> None:
    session_id = start_lead(shell, child("slow", *waiting_program(started, gate)))["session_id"]
    os.kill(wait_until_waiting(shell, session_id), signal.SIGKILL)
    assert "its supervisor died" in shell.run("ao-doctor").stdout
    gate.open("the answer")
    assert shell.run("ao-wait", "slow").exit_code == DONE
    session = records.get_session(session_id)
    assert (session["undelivered_notices"], session["notices_held"]) == (1, None)
    assert "no supervisor does: ao-resume it" in shell.run("ao-status", "lead").stderr
    assert "| the answer" in shell.run("ao-resume", "lead", "-p", "Next.").stdout
    assert records.get_session(session_id)["undelivered_notices"] == 0


def test_resume_by_a_person_ends_the_wait(
    shell: Shell, records: ManagerClient, gate: Gate, started: Path
) -> None:
    session_id = start_lead(shell, child("slow", *waiting_program(started, gate)))["session_id"]
    pid = wait_until_waiting(shell, session_id)
    assert shell.run("ao-resume", "lead", "-p", "Next.").stdout == "heard: Next.\n"
    wait_for(
        lambda: pid not in [entry.run.pid for entry in waiting(shell, session_id)],
        "the supervisor of run 1 has ended",
    )
    wait_until_waiting(shell, session_id)  # that of run 2
    gate.open()
    assert wait_for_run(records, session_id, 3)["undelivered_notices"] == 0


def test_program_hears_by_its_next_run(
    shell: Shell, records: ManagerClient, gate: Gate, started: Path
) -> None:
    """A program takes no message while it runs, so the notice waits until its run has ended."""
    program = " ".join(map(shlex.quote, waiting_program(started, gate)))
    session_id = start_detached_lead(shell, child("fast", "echo", "the answer"), program)
    wait_for(lambda: pids_in(started, 1), "the lead waits")

    def refused() -> bool:
        states = [r["state"] for r in records.list_requests(session_id, 1)]
        return states == ["refused"]

    wait_for(refused, "the run has refused the notice")
    assert records.get_session(session_id)["undelivered_notices"] == 1
    assert "on their way" in shell.run("ao-status", "lead").stderr
    gate.open()
    session = wait_for_run(records, session_id, 2)
    assert session["undelivered_notices"] == 0
    assert "| the answer" in records.get_result(session_id)


def start_detached_lead(shell: Shell, *commands: str) -> str:
    program = [sys.executable, "-c", LEAD, *commands]
    arguments = ("lead", "-p", "start", "--detach", "--executor", "command", "--", *program)
    ended = shell.run("ao-new", *arguments)
    assert ended.exit_code == DONE, ended.stderr
    return ended.stdout.strip()


def test_result_that_the_lead_has_read_is_no_notice(shell: Shell, records: ManagerClient) -> None:
    session_id = start_lead(
        shell,
        child("read", "echo", "good") + "; ao-wait read; ao-get-result read",
        child("failed", "false") + "; ao-wait failed; ao-get-result failed; true",
    )["session_id"]
    wait_for_run(records, session_id, 2)
    result = records.get_result(session_id)
    assert '"failed"' in result and '"read"' not in result


@pytest.mark.parametrize("command", ["ao-new", "ao-resume"])
def test_notify_needs_an_agent_that_started_the_session(shell: Shell, command: str) -> None:
    program = ("--executor", "command", "--", "cat") if command == "ao-new" else ()
    if command == "ao-resume":
        assert shell.run("ao-new", "x", "--executor", "command", "--", "cat").exit_code == DONE
    refused = shell.run(command, "x", "-p", "hi", "--notify", *program)
    assert refused.exit_code == USAGE
    assert "--notify tells the agent that has started the session" in refused.stderr

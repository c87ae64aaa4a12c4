"""The commands with the real Claude Code and the stand-in model."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.processes import is_alive, supervisor_of
from tests.commands.shell import DONE, FAILED, Ended, Shell
from tests.support.gate import Gate, pids_in, waiting_program
from tests.support.model_server import ModelServer, script, tool
from tests.support.waiting import wait_for

# These tests run one after another: concurrent CLIs would only slow each other down.
pytestmark = pytest.mark.xdist_group("claude-commands")


def stopped(command: str) -> Ended:
    return Ended(
        FAILED,
        "",
        f"{command}: stopping; Ctrl-C again stops the waiting only\n"
        f"{command}: session 'x' stopped: stopped on request\n",
    )


def session_of(shell: Shell) -> dict[str, Any]:
    (session,) = shell.run("ao-list-sessions", "--here", "--json").json
    assert isinstance(session, dict)
    return session


def events_of(records: ManagerClient, session_id: str) -> list[dict[str, Any]]:
    return list(records.iterate_events(session_id))


def runs_of(shell: Shell, records: ManagerClient) -> list[dict[str, Any]]:
    return records.list_runs(session_of(shell)["session_id"])


def said(event: dict[str, Any]) -> str:
    return "".join(block["text"] for block in event.get("content") or ())


def test_tool_call_and_resume_are_recorded_in_order_and_once(
    claude: Shell, records: ManagerClient, model: ModelServer
) -> None:
    call = {"text": "I look.", **tool("Bash", command="echo the tools output")}
    first = script(call, {"text": "The word is heron."})
    assert claude.run("ao-new", "fix", "-p", first) == Ended(DONE, "The word is heron.\n", "")
    assert claude.run("ao-get-result", "fix").stdout == "The word is heron.\n"
    model.forget()
    second = script({"text": "It was heron."})
    assert claude.run("ao-resume", "fix", "-p", second) == Ended(DONE, "It was heron.\n", "")
    assert claude.run("ao-get-result", "fix").stdout == "It was heron.\n"

    session = session_of(claude)
    assert (session["status"], session["reason"], session["run"]) == ("finished", "completed", 2)
    assert session["usage"]["cost_microdollars"] > 0
    events = events_of(records, session["session_id"])
    assert [event["seq"] for event in events] == list(range(1, session["last_seq"] + 1))
    assert len({event.get("request_id") for event in events} - {None}) == 3
    events = [event for event in events if "request_id" not in event]
    assert [(event["run"], event["event_type"], event.get("role")) for event in events] == [
        (1, "message", "user"),
        (1, "message", "assistant"),
        (1, "pre_tool", None),
        (1, "post_tool", None),
        (1, "message", "assistant"),
        (1, "usage", None),
        (1, "session_stop", None),
        (2, "message", "user"),
        (2, "message", "assistant"),
        (2, "usage", None),
        (2, "session_stop", None),
    ]
    assert len({event["event_id"] for event in events}) == len(events)
    assert not any(event["late"] for event in events)
    assert said(events[0]) == first
    assert events[2]["tool_input"]["command"] == "echo the tools output"
    assert events[3]["tool_output"] == "the tools output"
    (request,) = model.requests()
    assert "The word is heron." in json.dumps(request["body"]["messages"])
    assert request["headers"]["x-claude-code-session-id"] == session["session_id"]


def start_with_a_tool_that_waits(claude: Shell, started: Path, gate: Gate) -> tuple[Any, int]:
    command = shlex.join(waiting_program(started, gate))
    running = claude.start("ao-new", "x", "-p", script(tool("Bash", command=command)))
    (pid,) = wait_for(lambda: pids_in(started), "the tool runs")
    return running, pid


def supervisor_process(claude: Shell) -> psutil.Process:
    run = supervisor_of(claude.state_dir, session_of(claude)["session_id"])
    return psutil.Process(run.pid)


def test_killed_and_interrupted_run_can_be_resumed(
    claude: Shell, started: Path, gate: Gate
) -> None:
    running, tool_pid = start_with_a_tool_that_waits(claude, started, gate)
    (agent,) = supervisor_process(claude).children()
    agent.kill()
    assert running.end() == Ended(
        FAILED, "", "ao-new: session 'x' failed: Claude Code was killed by SIGKILL\n"
    )
    assert not is_alive(tool_pid)
    session = session_of(claude)
    assert (session["status"], session["reason"], session["exit_code"]) == (
        "finished",
        "failed",
        137,
    )

    command = shlex.join(waiting_program(started, gate))
    running = claude.start("ao-resume", "x", "-p", script(tool("Bash", command=command)))
    *_, tool_pid = wait_for(lambda: pids_in(started, 2), "the tool runs again")
    supervisor = supervisor_process(claude)
    processes = supervisor.children(recursive=True)
    running.signal(signal.SIGINT)
    assert running.end() == stopped("ao-resume")
    wait_for(lambda: not is_alive(supervisor.pid), "the supervisor ends")
    assert not any(is_alive(pid) for pid in [tool_pid, *(process.pid for process in processes)])
    session = session_of(claude)
    assert (session["status"], session["reason"]) == ("finished", "stopped")
    usage = session["usage"]
    assert usage["cache_read_tokens"] >= 4000
    # An interrupted Claude Code reports its total cost; if it is too slow, the cost is unknown.
    assert usage["cost_microdollars"] > 0 or usage["unpriced_tokens"] >= 3011
    resumed = claude.run("ao-resume", "x", "-p", script({"text": "Here I am."}))
    assert resumed == Ended(DONE, "Here I am.\n", "")


def test_message_and_notice_reach_the_running_agent_once(
    claude: Shell, records: ManagerClient, model: ModelServer, started: Path, gate: Gate
) -> None:
    child = "ao-new child -p x --detach --notify --executor command -- echo the answer"
    command = f"{child} && {shlex.join(waiting_program(started, gate))}"
    steps = script(tool("Bash", command=command), {"text": "I know."})
    running = claude.start("ao-new", "x", "-p", steps)
    wait_for(lambda: pids_in(started), "the tool waits")
    (session,) = records.find_sessions(session_name="x", project_dir=str(claude.directory))
    session_id = session["session_id"]
    wait_for(
        lambda: [r["state"] for r in records.list_requests(session_id, 1)] == ["done"],
        "the agent has the notice",
    )
    hint = "Leave the logout test alone."
    assert claude.run("ao-send", "x", "-p", hint) == Ended(DONE, "sent to x\n", "")
    asked = json.dumps(model.requests())
    assert hint not in asked and "| the answer" not in asked
    gate.open()
    assert running.end() == Ended(DONE, "I know.\n", "")
    asked = json.dumps(model.requests()[-1]["body"]["messages"])
    assert hint in asked and "| the answer" in asked
    session = records.get_session(session_id)
    assert (session["reason"], session["undelivered_notices"]) == ("completed", 0)
    events = events_of(records, session_id)
    assert len({event["event_id"] for event in events}) == len(events)
    (notice,) = [event for event in events if event.get("origin") == "notice"]
    assert notice["event_id"] == notice["notice_batch"]
    by_person = [e for e in events if e.get("role") == "user" and e is not notice]
    assert [said(event) for event in by_person] == [steps, hint]
    assert [run["run"] for run in records.list_runs(session_id)] == [1]
    assert f"user\n    {hint}\n" in claude.run("ao-logs", "x").stdout


def test_session_without_an_answer_can_be_resumed(claude: Shell, model: ModelServer) -> None:
    """Each resume continues a session in which the model has answered nothing yet."""
    ended = claude.having(ANTHROPIC_API_KEY=None).run("ao-new", "x", "-p", "hi")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert ended.stderr.startswith("ao-new: session 'x' failed: Claude Code has no valid login")
    assert "/login" in ended.stderr
    assert "ANTHROPIC_API_KEY" in ended.stderr
    assert model.requests() == []
    session = session_of(claude)
    assert (session["status"], session["reason"]) == ("finished", "failed")

    error = {"status": 400, "type": "invalid_request_error", "message": "not today"}
    failed = claude.run("ao-resume", "x", "-p", script({"error": error}))
    assert (failed.exit_code, failed.stdout) == (FAILED, "")
    assert "not today" in failed.stderr

    model.forget()
    running = claude.start("ao-resume", "x", "-p", script({"text": "too late", "hang": 60}))
    wait_for(lambda: model.requests() or None, "the model is asked")
    running.signal(signal.SIGINT)
    ended, expected = running.end(), stopped("ao-resume")
    assert (ended.exit_code, ended.stderr) == (expected.exit_code, expected.stderr)
    assert ended.stdout in ("", "too late\n")  # the received part of the answer is kept
    resumed = claude.run("ao-resume", "x", "-p", script({"text": "Here I am."}))
    assert resumed == Ended(DONE, "Here I am.\n", "")


def imported(claude: Shell) -> list[int]:
    counts = claude.run("ao-import", "--json").json
    return [counts[name] for name in ("sessions", "events", "requests")]


def test_cleared_conversation_is_resumed_under_its_new_id(
    claude: Shell,
    records: ManagerClient,
    model: ModelServer,
    own_home: Path,
    started: Path,
    gate: Gate,
) -> None:
    """After `/new`, `/clear` and `/reset`, Claude Code continues under a new id.

    If one is sent with `ao-send`, it has its effect after the turn. What a person adds to the new
    conversation is imported into the same session.
    """

    def asked(step: str) -> dict[str, Any]:
        model.forget()
        resumed = claude.run("ao-resume", "x", "-p", script({"text": step}))
        assert resumed == Ended(DONE, f"{step}\n", "")
        (request,) = model.requests()
        return request

    assert claude.run("ao-new", "x", "-p", "/new") == Ended(DONE, "", "")
    program = shlex.join(waiting_program(started, gate))
    prompt = script(tool("Bash", command=program), {"text": "Done."})
    running = claude.start("ao-resume", "x", "-p", prompt)
    wait_for(lambda: pids_in(started), "the tool runs")
    assert claude.run("ao-send", "x", "-p", "/clear") == Ended(DONE, "sent to x\n", "")
    gate.open()
    assert running.end().exit_code == DONE
    assert claude.run("ao-resume", "x", "-p", "/reset") == Ended(DONE, "", "")
    session = session_of(claude)
    assert session["reason"] == "completed"
    request = asked("It is a swift.")
    events = events_of(records, session["session_id"])
    moved = [e["conversation_id"] for e in events if e["event_type"] == "conversation"]
    assert len({session["session_id"], *moved}) == 4
    assert request["headers"]["x-claude-code-session-id"] == moved[-1]
    assert "Done." not in json.dumps(request["body"]["messages"])
    left = own_home / ".claude" / "projects"
    assert [*left.glob("*/*.jsonl")] != []
    shutil.rmtree(left)  # as on another machine
    assert "It is a swift." in json.dumps(asked("It was a swift.")["body"]["messages"])
    forked = claude.run("ao-resume", "x", "--fork", "y", "-p", script({"text": "Forked."}))
    assert forked == Ended(DONE, "Forked.\n", "")
    assert "It was a swift." in json.dumps(model.requests()[-1]["body"]["messages"])
    assert "refused" not in claude.run("ao-doctor").stdout

    before = records.get_session(session["session_id"])
    events = events_of(records, session["session_id"])
    assert imported(claude) == [0, 0, 0]
    (path,) = left.glob(f"*/{moved[-1]}.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    spoken = next(line for line in reversed(lines) if line["type"] == "user")
    added = {**spoken, "uuid": str(uuid4()), "timestamp": "2999-01-01T00:00:00.000Z"}
    added["message"] = {"role": "user", "content": "By hand."}
    with path.open("a") as file:
        file.write(json.dumps(added) + "\n")
    assert imported(claude) == [0, 1, 0]
    assert records.get_session(session["session_id"])["usage"] == before["usage"]
    *found, by_hand = events_of(records, session["session_id"])
    assert (found, said(by_hand)) == (events, "By hand.")
    assert claude.run("ao-clean", "--purge", "-y", "x", "y").exit_code == DONE
    assert [*left.glob("*/*.jsonl")] == []


def test_resume_keeps_no_limit_but_the_lack_of_our_tools(
    claude: Shell, records: ManagerClient, model: ModelServer
) -> None:
    call = tool("Bash", command="echo hi")
    options = ("--max-turns", "1", "--no-mcp")
    limited = claude.run("ao-new", "x", "-p", script(call, {"text": "done"}), *options)
    assert limited == Ended(
        FAILED,
        "",
        "ao-new: session 'x' reached a limit: Reached maximum number of turns (1); "
        "ao-resume continues it\n",
    )
    (run,) = runs_of(claude, records)
    assert (run["reason"], run["spec"]["max_turns"]) == ("budget", 1)
    limited = claude.run(
        "ao-resume", "x", "-p", script(call, call, {"text": "more"}), "--max-cost", "0.01"
    )
    assert limited.exit_code == FAILED
    assert "Reached maximum budget" in limited.stderr  # its second turn was within the limits
    _, run = runs_of(claude, records)
    assert run["reason"] == "budget"
    assert "max_turns" not in run["spec"]
    tools = [each["body"]["tools"] for each in model.requests()]
    assert len(tools) > 2
    assert "agent-orchestrator" not in json.dumps(tools)


def test_person_in_the_loop_decides_and_a_resume_asks_again(
    claude: Shell, records: ManagerClient, project: Path
) -> None:
    """The edit and the question are answered; in the resume, a stop cancels the question."""
    color = {
        "question": "Which color?",
        "header": "Color",
        "multiSelect": False,
        "options": [{"label": label, "description": label} for label in ("red", "blue")],
    }
    write = tool("Write", file_path=str(project / "it"), content="a\n")
    steps = [write, tool("AskUserQuestion", questions=[color]), {"text": "done"}]
    options = ("--detach", "--ask", "1h", "--permission-mode", "default", "-p", script(*steps))
    assert claude.run("ao-new", "x", *options).exit_code == DONE
    for command in (
        ("ao-permit", "x", "--allow", "--for-run"),
        ("ao-answer", "x", "--choose", "blue"),
    ):
        waited = claude.run("ao-wait", "x", "--until", "waiting")
        assert waited == Ended(DONE, "x waiting\n", "")
        assert claude.run(*command).exit_code == DONE
    assert claude.run("ao-wait", "x") == Ended(DONE, "x finished\n", "")
    assert (project / "it").read_text() == "a\n"
    (project / "it").unlink()

    resumed = claude.run("ao-resume", "x", "--detach", "-p", script(write, {"text": "done"}))
    assert resumed.exit_code == DONE
    assert claude.run("ao-wait", "x", "--until", "waiting").stdout == "x waiting\n"
    assert claude.run("ao-stop", "x").exit_code == DONE
    events = events_of(records, session_of(claude)["session_id"])
    told = [e for e in events if e["event_type"] in ("permission_request", "permission_decided")]
    assert [(e["run"], e.get("decision", e.get("kind"))) for e in told] == [
        (1, "edit"), (1, "allow"), (1, "question"), (1, "answered"), (2, "edit"), (2, "cancelled"),
    ]  # fmt: skip
    assert told[0]["diff"].endswith("@@ -0,0 +1 @@\n+a\n")
    assert [run["spec"]["ask"] for run in runs_of(claude, records)] == ["3600", "3600"]
    assert events[-1]["event_type"] == "session_stop"
    assert not (project / "it").exists()

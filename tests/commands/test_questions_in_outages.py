"""Open questions of the real Claude Code while the manager or the supervisor is killed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.commands.processes import kill_supervisor
from tests.commands.shell import DONE, NOT_FOUND, Ended, Shell
from tests.support.gate import Gate, pids_in, waiting_program
from tests.support.manager import RunningManager
from tests.support.model_server import script, tool
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("claude-commands")


def test_question_outlives_the_manager_not_its_supervisor(
    claude: Shell, own: RunningManager, gate: Gate, started: Path
) -> None:
    shell = claude.having(**{**own.environment(), "HOME": claude.environment["HOME"]})
    color = {
        "question": "Which color?",
        "header": "Color",
        "multiSelect": False,
        "options": [{"label": label, "description": label} for label in ("red", "blue")],
    }
    asking = tool("AskUserQuestion", questions=[color])
    program = tool("Bash", command=shlex.join(waiting_program(started, gate)))
    prompt = script(program, asking, asking, asking, {"text": "done"})
    begun = shell.run("ao-new", "x", "--detach", "--ask", "forever", "-p", prompt)
    session_id = begun.stdout.strip()
    wait_for(lambda: pids_in(started), "the tool of the agent runs")
    own.kill()
    gate.open("")
    outbox = shell.state_dir / "outbox"
    wait_for(
        lambda: any(b"permission_request" in file.read_bytes() for file in outbox.glob("*.db*")),
        "the agent has asked while the manager is down",
    )
    own.restart()
    assert shell.run("ao-wait", "x", "--until", "waiting") == Ended(DONE, "x waiting\n", "")
    own.kill()
    own.restart()
    assert shell.run("ao-answer", "x", "--choose", "red").exit_code == DONE
    assert shell.run("ao-wait", "x", "--until", "waiting").stdout == "x waiting\n"
    assert shell.run("ao-answer", "x", "--choose", "blue").exit_code == DONE
    assert shell.run("ao-wait", "x", "--until", "waiting").stdout == "x waiting\n"

    (question,) = shell.run("ao-status", "x", "--json").json["questions"]
    kill_supervisor(shell.state_dir, session_id)
    assert shell.run("ao-stop", "x").stdout == "x lost\n"
    session = shell.run("ao-status", "x", "--json").json
    assert (session["state"], session["waiting_questions"]) == ("lost", 0)
    assert "questions" not in session
    late = shell.run("ao-answer", "x", question["question_id"], "--choose", "red")
    assert (late.exit_code, late.stdout) == (NOT_FOUND, ""), late
    lines = shell.run("ao-logs", "x", "--json").stdout.splitlines()
    events = [json.loads(line) for line in lines]
    told = [e for e in events if e["event_type"] in ("permission_request", "permission_decided")]
    assert [e.get("decision", "asked") for e in told] == ["asked", "answered"] * 2 + ["asked"]

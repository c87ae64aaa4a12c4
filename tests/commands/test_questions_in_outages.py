"""Open questions of the real Claude Code while the manager is killed and starts again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.commands.shell import DONE, Ended, Shell
from tests.support.gate import Gate, pids_in, waiting_program
from tests.support.manager import RunningManager
from tests.support.model_server import script, tool
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("claude-commands")


def test_question_and_its_answer_outlive_the_manager(
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
    prompt = script(program, asking, asking, {"text": "done"})
    begun = shell.run("ao-new", "x", "--detach", "--ask", "forever", "-p", prompt)
    assert begun.exit_code == DONE
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
    assert shell.run("ao-wait", "x") == Ended(DONE, "x finished\n", "")
    lines = shell.run("ao-logs", "x", "--json").stdout.splitlines()
    events = [json.loads(line) for line in lines]
    told = [e for e in events if e["event_type"] in ("permission_request", "permission_decided")]
    assert [e.get("decision", "asked") for e in told] == ["asked", "answered"] * 2

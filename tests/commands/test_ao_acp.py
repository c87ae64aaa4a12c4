"""An agent of the Agent Client Protocol, run and resumed by the commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.acp.conftest import DONE, PROGRAM, text
from tests.commands.shell import Shell


def test_resume_continues_the_agents_conversation(shell: Shell, tmp_path: Path) -> None:
    script, log = tmp_path / "script.json", tmp_path / "log"
    script.write_text(
        json.dumps([["serve", {"sessionCapabilities": {"resume": {}}}], text("Hi."), DONE])
    )
    program = (sys.executable, "-IS", str(PROGRAM), str(script), str(log))
    new = shell.run("ao-new", "x", "-p", "hi", "--executor", "acp", "--", *program)
    assert (new.exit_code, new.stdout.strip()) == (0, "Hi."), new
    again = shell.run("ao-resume", "x", "-p", "more")
    assert (again.exit_code, again.stdout.strip()) == (0, "Hi."), again
    sent = [json.loads(line) for line in log.read_text().splitlines()]
    (resumed,) = [each["params"] for each in sent if each["method"] == "session/resume"]
    assert resumed["sessionId"] == "conversation-1"
    assert len([each for each in sent if each["method"] == "session/new"]) == 1

"""A run in the foreground of a terminal asks the person there."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.shell import DONE, FAILED, Shell
from tests.support.model_server import script, tool

pytestmark = pytest.mark.xdist_group("claude-commands")


def test_terminal_asks_until_the_question_is_answered_anywhere(
    claude: Shell, records: ManagerClient, project: Path
) -> None:
    """Stray keys allow nothing; Ctrl-D, Ctrl-C and an answer from elsewhere end the waiting."""
    color = {
        "question": "Which color?",
        "header": "Color",
        "multiSelect": True,
        "options": [{"label": label, "description": label} for label in ("red", "blue")],
    }
    names = ("one", "two", "three", "four")
    one, two, three, four = (
        tool("Write", file_path=str(project / name), content="a\n") for name in names
    )
    asked = tool("AskUserQuestion", questions=[color])
    prompt = script(one, two, three, four, asked, {"text": "done"})
    options = ("--ask", "forever", "--permission-mode", "default", "-p", prompt)
    keys = (
        "y: allow once; r: allow this exact call until the run ends; n, or n and a reason: deny; "
        "Ctrl-D: answer elsewhere: "
    )

    with claude.on_terminal("ao-new", "x", *options) as terminal:

        def asks_about(name: str) -> None:
            terminal.shows(f"+++ {project / name}\n  @@ -0,0 +1 @@\n  +a\n  {keys}")

        asks_about("one")
        terminal.types("\nok\nyes\ny and more\ny\n")
        asks_about("two")
        terminal.types("n Not this file.\n")
        asks_about("three")
        assert terminal.screen.count(keys) == 7  # each wrong answer is asked again
        terminal.types("\x04")
        terminal.shows("ao-permit x")
        assert claude.run("ao-permit", "x", "--allow").exit_code == DONE
        asks_about("four")
        assert claude.run("ao-permit", "x", "--allow").exit_code == DONE
        terminal.shows("ao-new: decided elsewhere: allowed by a person")
        terminal.shows(
            "(a number, or several as 1,2 or your own words; Ctrl-D: answer elsewhere): "
        )
        terminal.types("3\n2,1\n")
        code, screen = terminal.end()
    assert code == DONE
    assert screen.splitlines()[-2].endswith("done")
    assert [name for name in names if (project / name).exists()] == ["one", "three", "four"]
    (session,) = records.find_sessions(project_dir=str(project))
    events = list(records.iterate_events(session["session_id"]))
    decided = [e for e in events if e["event_type"] == "permission_decided"]
    assert [e["decision"] for e in decided] == ["allow", "deny", "allow", "allow", "answered"]
    assert (decided[1]["text"], decided[4]["answers"]) == ("Not this file.", {"1": ["blue", "red"]})

    with claude.on_terminal("ao-resume", "x", "-p", script(two, {"text": "done"})) as terminal:
        terminal.asks(keys)
        terminal.types("\x03")
        code, screen = terminal.end()
    assert code == FAILED
    assert "ao-resume: decided elsewhere: cancelled\n" in screen
    assert "ao-resume: session 'x' stopped: stopped on request" in screen

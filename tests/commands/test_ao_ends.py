"""The end of `ao-new` on a terminal: the facts of the run, and the next commands."""

from __future__ import annotations

import re

from agent_orchestrator.console.runs.next_steps import ChangedFiles, facts
from tests.commands.shell import DONE, FAILED, Shell


def test_terminal_shows_progress_and_then_the_answer(shell: Shell) -> None:
    command = ("ao-new", "x", "-p", "hi", "--executor", "command", "--", "echo", "the answer")
    with shell.having(NO_COLOR="").on_terminal(*command) as terminal:
        code, screen = terminal.end()
    assert code == DONE
    progress, _, end = screen.rpartition("the answer\n")
    assert "x" in progress
    line = r"\x1b\[2mx finished in [\d.]+ s · ao-resume x -p … · ao-dashboard x\x1b\[0m\n"
    assert re.fullmatch(line, end)
    failing = shell.having(NO_COLOR="1")
    with failing.on_terminal("ao-new", "a b", "--executor", "command", "--", "false") as terminal:
        code, screen = terminal.end()
    assert code == FAILED
    assert " · ao-logs 'a b' --errors · ao-resume 'a b' -p …\n  ao-dashboard 'a b'\n" in screen


def test_detached_session_names_the_next_commands_on_a_terminal(shell: Shell) -> None:
    command = ("ao-new", "x", "--detach", "--executor", "command", "--", "true")
    with shell.having(NO_COLOR="1").on_terminal(*command) as terminal:
        code, screen = terminal.end()
    assert code == DONE
    session_id, *steps = screen.splitlines()
    assert [step.split("  ")[1] for step in steps] == [
        *("ao-logs x --follow", "ao-wait x", "ao-send x -p …", "ao-stop x")
    ]
    shell.run("ao-wait", session_id)


def test_end_of_a_run_has_its_own_cost_and_files() -> None:
    def usage(nanodollars: int) -> dict[str, int]:
        return {"input_tokens": nanodollars, "cost_nanodollars": nanodollars, "unpriced_tokens": 0}

    ended = {
        "session_name": "x",
        "status": "finished",
        "reason": "completed",
        "started_at": "2026-11-28T10:00:00Z",
        "finished_at": "2026-11-28T10:12:03Z",
        "usage": usage(570_000_000),
    }
    files = ChangedFiles()
    edit = {"old_string": "a", "new_string": "b"}
    for number, (given, error) in enumerate(
        [
            ({"file_path": "a.py", **edit}, None),
            ({"file_path": "a.py", **edit}, None),
            ({"file_path": "denied.py", **edit}, "denied"),
            ({"file_path": "read.py"}, None),
            ({"changes": [{"path": "b.py", "diff": "+x"}]}, None),
        ]
    ):
        files.see({"event_type": "pre_tool", "tool_use_id": f"c{number}", "tool_input": given})
        files.see({"event_type": "post_tool", "tool_use_id": f"c{number}", "error": error})
    told = facts({"usage": usage(500_000_000)}, ended, files)
    assert told == "x finished in 12 min 3 s, $0.07, 2 files changed"
    assert facts({}, {**ended, "usage": {}, "finished_at": None}, ChangedFiles()) == "x finished"

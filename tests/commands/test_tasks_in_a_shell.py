"""The tasks of people in a shell, each with the number of its steps: commands and answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.client.read.search import search
from tests.commands.detached_session import start_detached
from tests.commands.shell import DONE, FAILED, Shell
from tests.support.gate import Gate
from tests.support.model_server import script, tool
from tests.support.transcript_files import Transcript
from tests.support.waiting import wait_for

# One after another with the other tests of the real Claude Code.
pytestmark = pytest.mark.xdist_group("claude-commands")

MOST = 3
"""No task takes more steps."""


class Steps:
    """Counts what a person does in a shell."""

    def __init__(self, shell: Shell, gate: Gate, home: Path) -> None:
        self.shell = shell
        self.gate = gate
        self.home = home
        self.count = 0

    def run(self, command: str, *arguments: str, exit_code: int = DONE) -> str:
        self.count += 1
        ended = self.shell.run(command, *arguments)
        assert ended.exit_code == exit_code, ended
        return ended.stdout + ended.stderr


def open_the_page(steps: Steps) -> None:
    steps.shell = steps.shell.having(BROWSER="true", DISPLAY=":0", SSH_CONNECTION=None)
    assert "opened http://127.0.0.1:" in steps.run("ao-dashboard")


def see_what_i_did_last_week(steps: Steps) -> None:
    earlier = Transcript(begin=datetime.now(UTC) - timedelta(days=5))
    earlier.turn("Fix the logout")
    earlier.write(steps.home)
    steps.run("ao-import")
    assert "Fix the logout" in steps.run("ao-list-sessions", "--since", "7d")


def start_an_agent_and_watch_it(steps: Steps) -> None:
    waits = script(tool("Bash", command=f"read word < {steps.gate.path}"), {"text": "Done."})
    steps.count += 1
    with steps.shell.on_terminal("ao-new", "watched", "-p", waits) as terminal:
        terminal.shows("Bash: read word < ")
        assert re.search(r"watched\S* [\d:]+ Bash: read word", terminal.screen)
        steps.gate.open()
        terminal.shows("Done.")
        terminal.shows("watched finished in")
        assert terminal.end()[0] == DONE


def start_one_without_a_login(steps: Steps) -> None:
    with_login, steps.shell = steps.shell, steps.shell.having(ANTHROPIC_API_KEY=None)
    refused = steps.run("ao-new", "fix", "-p", "hi", exit_code=FAILED)
    assert "run `claude` and then /login" in refused
    steps.count, steps.shell = steps.count + 1, with_login
    assert "Here I am." in steps.run("ao-resume", "fix", "-p", script({"text": "Here I am."}))


def go_on_with_it(steps: Steps) -> None:
    assert "Again." in steps.run("ao-resume", "echo", "-p", "Again.")


def see_which_needs_me(steps: Steps) -> None:
    assert "asking" in steps.run("ao-list-sessions", "--needs-me")


def see_why_it_failed(steps: Steps) -> None:
    assert "no valid login" in steps.run("ao-logs", "fix", "--errors")


def see_what_it_changed_in_which_file(steps: Steps) -> None:
    steps.count += 1
    with steps.shell.on_terminal("ao-logs", "asking") as terminal:
        code, screen = terminal.end()
    assert code == DONE
    assert "login.py" in screen
    assert "+import hmac" in screen


def see_what_today_cost_per_project(steps: Steps) -> None:
    told = steps.run("ao-usage", "--by", "project", "--since", "today")
    assert re.search(rf"(?m)^{re.escape(str(steps.shell.directory))} .* \$0\.\d\d$", told)


def find_where_it_was_said(steps: Steps) -> None:
    assert "asking" in steps.run("ao-search", "constant time")


def see_what_happened_since_yesterday(steps: Steps) -> None:
    told = steps.run("ao-list-sessions", "--since", "yesterday")
    assert "watched" in told
    assert "Fix the logout" not in told


def give_it_to_a_colleague(steps: Steps) -> None:
    steps.run("ao-export", "asking", "--format", "html", "-o", "asking.html")
    assert "constant time" in (steps.shell.directory / "asking.html").read_text()


def stop_one(steps: Steps) -> None:
    assert steps.run("ao-stop", "one") == "one stopped\n"


def stop_all(steps: Steps) -> None:
    steps.count += 1
    with steps.shell.on_terminal("ao-stop", "--all") as terminal:
        terminal.asks("Stop 2 sessions? [y/N]: ")
        steps.count += 1
        terminal.types("y\n")
        terminal.shows("two stopped")
        terminal.shows("three stopped")


TASKS: tuple[tuple[Callable[[Steps], None], int], ...] = (
    (open_the_page, 1),
    (see_what_i_did_last_week, 2),
    (start_an_agent_and_watch_it, 1),
    (start_one_without_a_login, 3),
    (see_which_needs_me, 1),
    (see_why_it_failed, 1),
    (go_on_with_it, 1),
    (see_what_it_changed_in_which_file, 1),
    (see_what_today_cost_per_project, 1),
    (find_where_it_was_said, 1),
    (see_what_happened_since_yesterday, 1),
    (give_it_to_a_colleague, 1),
    (stop_one, 1),
    (stop_all, 2),
)


def fill(records: ManagerClient, project: Path) -> None:
    """Record a session that edited a file, cost something, and whose end asks a question."""
    records.create_named_session("s-1", "asking", project_dir=str(project), executor="claude")
    edit = {"file_path": f"{project}/login.py", "old_string": "", "new_string": "import hmac"}
    use = {"tool_use_id": "t", "tool_name": "Edit"}
    answer = "It compares in constant time now. Shall I do the logout as well?"
    for event in (
        {"event_type": "pre_tool", "tool_input": edit, **use},
        {"event_type": "post_tool", "tool_output": "updated", **use},
        {"event_type": "usage", "usage": {"input_tokens": 5, "cost_microdollars": 70_000}},
        {
            **{"event_type": "message", "role": "assistant"},
            **{"content": [{"type": "text", "text": answer}]},
        },
        {"event_type": "session_stop", "reason": "completed", "exit_code": 0},
    ):
        records.add_event("s-1", event)


def test_tasks_take_few_steps_in_a_shell(
    claude: Shell, records: ManagerClient, gate: Gate, started: Path, own_home: Path
) -> None:
    fill(records, claude.directory)
    closed = Gate(gate.path.with_name("closed"))
    claude.run("ao-new", "echo", "-p", "hi", "--executor", "command", "--", "cat")
    for name in ("one", "two", "three"):
        start_detached(claude, name, started, closed)
    wait_for(lambda: search(records, {"q": "constant"}, limit=1)["hits"], "the answer is indexed")
    for task, most in TASKS:
        steps = Steps(claude, gate, own_home)
        task(steps)
        assert steps.count <= most <= MOST, task.__name__
    closed.close()

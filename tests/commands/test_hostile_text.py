"""Names and texts of agents and other users never control the terminal that shows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.shell import Shell
from tests.commands.terminal import controls_in
from tests.support.earlier_names import give_names
from tests.support.manager import RunningManager

HOSTILE = (
    "a\x1b]52;c;ZXZpbA==\x07"  # writes the clipboard
    "\x1b[31m\x1b[2J\x9b1;1H"  # a colour, a wiped screen, the cursor at home
    "\x1bP1$r\x1b\\\x1b]8;;http://evil\x1b\\"  # a question to the terminal, a link
    "\u202egnp.exe\u2066"  # another text direction
    "\rb\x08c\x7f\nforged line\u2028forged too"
)
LONG = "long" * 49


@pytest.fixture
def hostile(
    manager: RunningManager,
    records: ManagerClient,
    tmp_path: Path,
    shell: Shell,
    new_id: Callable[[], str],
) -> tuple[Shell, str]:
    """A project with a hostile name, and a session in it whose texts are all hostile."""
    project = tmp_path / HOSTILE.replace("/", "")
    project.mkdir()
    session_id = new_id()
    records.create_named_session(
        session_id,
        session_id,
        project_dir=str(project),
        agent_name=HOSTILE,
        executor="command",
        host=HOSTILE,
    )
    give_names(manager, {session_id: HOSTILE})
    content = [{"type": "text", "text": HOSTILE}]
    records.append_events(
        session_id,
        [
            {"event_type": "message", "role": "assistant", "content": content},
            {"event_type": "session_stop", "reason": HOSTILE, "error": HOSTILE},
        ],
    )
    return shell.at(project), session_id


def shown_by(shell: Shell, command: str, *arguments: str, types: str = "") -> str:
    """Return the screen after a command; it must have no control characters."""
    with shell.on_terminal(command, *arguments) as terminal:
        if types:
            terminal.shows("[y/N]")
            terminal.types(types)
        _, screen = terminal.end()
    assert controls_in(screen) == [], repr(screen)
    return screen


def assert_nothing_is_forged(screen: str) -> None:
    """Check that no line of the screen begins with a part of a hostile name."""
    assert [line for line in screen.splitlines() if line.startswith("forged")] == []


def test_screens_with_names_have_no_controls(
    hostile: tuple[Shell, str], manager: RunningManager, records: ManagerClient
) -> None:
    shell, session_id = hostile
    here = str(shell.directory)
    twin = session_id + "-twin"
    records.create_session(twin, twin, project_dir=here)
    give_names(manager, {twin: HOSTILE})
    ambiguous = session_id[:-2]
    screens = [
        shown_by(shell, "ao-list-sessions", "--here"),
        shown_by(shell, "ao-status", HOSTILE),
        shown_by(shell, "ao-status", ambiguous),
        shown_by(shell, "ao-get-result", twin),
        shown_by(shell, "ao-get-result", HOSTILE + "unknown"),
        shown_by(shell, "ao-resume", twin, "-p", "hi", "--", "true"),
        shown_by(shell, "ao-clean", twin),
        shown_by(shell, "ao-clean", "--all", types="n\n"),
        shown_by(shell, "ao-clean", session_id, "--force"),
    ]
    for screen in screens:
        assert_nothing_is_forged(screen)


def test_screen_of_an_answer_keeps_lines_without_controls(
    hostile: tuple[Shell, str],
) -> None:
    shell, session_id = hostile
    assert shown_by(shell, "ao-get-result", session_id).splitlines() == [
        "a1;1Hgnp.exe",
        "bc",
        "forged line",
        "forged too",
    ]


def test_screen_of_a_hostile_run_has_no_controls(shell: Shell, manager: RunningManager) -> None:
    source = "import sys; sys.stdout.write(sys.argv[1]); sys.stderr.write(sys.argv[1]); sys.exit(3)"
    program = ["python3", "-c", source, HOSTILE]
    refused = shown_by(shell, "ao-new", HOSTILE, "--executor", "command", "--", *program)
    assert "U+001B at position 2" in refused
    assert_nothing_is_forged(refused)
    shell.run("ao-new", "x", "--executor", "command", "--", *program)
    (session,) = shell.run("ao-list-sessions", "--here", "--json").json
    give_names(manager, {session["session_id"]: HOSTILE})
    screen = shown_by(shell, "ao-resume", HOSTILE, "-p", HOSTILE)
    assert "ao-resume: session " in screen
    shown_by(shell, "ao-new", "x", "--executor", "command", "--", HOSTILE)
    shown_by(shell, "ao-new", LONG, "--executor", "command", "--", "true")


def test_screen_of_wrong_arguments_has_no_controls(shell: Shell) -> None:
    for command, arguments in (
        ("ao-status", ["--" + HOSTILE]),
        ("ao-status", ["x", HOSTILE]),
        ("ao-new", ["x", "--executor", HOSTILE]),
        ("ao-new", ["x", "-p", "hi", "--agent", HOSTILE]),
        ("ao-show-config", ["--project-dir", HOSTILE]),
        ("ao-list-sessions", ["--limit", HOSTILE]),
    ):
        assert_nothing_is_forged(shown_by(shell, command, *arguments))


def test_screen_of_hostile_definitions_has_no_controls(
    hostile: tuple[Shell, str],
) -> None:
    shell, _ = hostile
    agents = shell.directory / ".agent-orchestrator" / "agents"
    for name, definition in (
        ("good", {"name": HOSTILE, "description": HOSTILE, "model": HOSTILE}),
        ("bad", {HOSTILE: 1}),
    ):
        (agents / name).mkdir(parents=True)
        (agents / name / "agent.json").write_text(json.dumps(definition))
    assert_nothing_is_forged(shown_by(shell, "ao-list-agents"))
    assert_nothing_is_forged(shown_by(shell, "ao-show-config"))


def test_json_keeps_and_escapes_hostile_text(hostile: tuple[Shell, str]) -> None:
    shell, session_id = hostile

    def printed(command: str, *arguments: str) -> Any:
        ended = shell.run(command, *arguments, "--json")
        assert ended.stdout.isascii()
        assert ended.stdout.replace("\n", "").isprintable()
        return ended.json

    (session,) = printed("ao-list-sessions", "--here")
    assert (session["session_name"], session["agent_name"], session["host"]) == (HOSTILE,) * 3
    assert session["project_dir"] == str(shell.directory)
    assert printed("ao-status", session_id) == session
    assert printed("ao-get-result", session_id)["result"] == HOSTILE
    assert printed("ao-show-config")["project_dir"] == str(shell.directory)

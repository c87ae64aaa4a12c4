"""Thousands of strings with terminal controls or forged lines, printed by every command.

They are in every text field of sessions, events and agent definitions. Commands print them on a
terminal and into a pipe. Each session contains many of them, so that few processes print them all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.commands.shell import Shell
from tests.commands.terminal import TERMINAL_CONTROLS, controls_in
from tests.stress.scene import Scene
from tests.support.campaign import Campaign
from tests.support.earlier_names import give_names
from tests.support.unstripped import PROGRAM

pytestmark = pytest.mark.stress

FORGED = "forged"
PIECES = (
    *("\x1b]52;c;ZXZpbA==\x07", "\x1b]0;title\x1b\\", "\x1b]8;;http://evil\x07", "\x1b[2J"),
    *("\x1b[31m", "\x1b[1;1H", "\x1b[?1049h", "\x1b[6n", "\x1bP1$r\x1b\\", "\x1b^pm\x1b\\"),
    *("\x1bc", "\x1b(0", "\x1b", "\x9b31m", "\x9d0;t\x9c", "\x90q\x9c", "\x85", "\x84"),
    *("\x01", "\x05", "\x07", "\x08\x08", "\x0b", "\x0c", "\x0e", "\x7f", "\x1a", "\x1f"),
    *("\u202e", "\u202d", "\u2066", "\u2069", "\u200e", "\u200f", "\u061c"),
    *("\u2028", "\u2029", "\r", "\r\n", "\n"),
)
NAME_CHARS = 200
IN_A_NAME = 6
ASKING = ("ao-status", "ao-get-result", "ao-logs", "ao-wait", "ao-resume", "ao-rename", "ao-send",
          "ao-stop", "ao-clean")  # fmt: skip
"""Commands that list the matching sessions if an argument is ambiguous."""
OTHER_ARGUMENTS = {"ao-rename": ["new"], "ao-send": ["-p", "hi"], "ao-resume": ["-p", "hi"]}
IN_A_LIST = 10


def hostile(chance: Random) -> str:
    """Return some pieces with words between them, and a line that imitates our output."""
    drawn = [chance.choice(PIECES) + chance.choice(("", "a", "é ", "\t")) for _ in range(3)]
    return "".join(drawn) + chance.choice(("\n", "\r", "\u2028", "\x85", "\x1b[B\r")) + FORGED


def batched(strings: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (strings[start : start + size] for start in range(0, len(strings), size))


def names(strings: Sequence[str]) -> Iterator[str]:
    for several in batched(strings, IN_A_NAME):
        yield ("x" + "".join(several))[:NAME_CHARS]


def is_forged(text: str) -> bool:
    return any(line.startswith(FORGED) for line in re.split("[\n\r\x0b\x0c\x85\u2028\u2029]", text))


class Printed:
    """Checks the output of commands: it must have no terminal controls and no forged lines."""

    def __init__(self) -> None:
        self.processes = 0
        self.problems: list[str] = []

    def run(self, shell: Shell, command: str, *arguments: str, may_have_lines: bool = False) -> str:
        """Run a command on a terminal and into a pipe; return its stdout from the pipe."""
        with shell.on_terminal(command, *arguments) as terminal:
            _, screen = terminal.end()
        ended = shell.run(command, *arguments)
        self.processes += 2
        if controls_in(screen):
            self.problems.append(f"{command} {arguments} on a terminal: {controls_in(screen)}")
        for text in (ended.stdout, ended.stderr):
            if TERMINAL_CONTROLS.findall(text):
                self.problems.append(f"{command} {arguments}: {TERMINAL_CONTROLS.findall(text)}")
        if not may_have_lines and any(map(is_forged, (screen, ended.stdout, ended.stderr))):
            self.problems.append(f"{command} {arguments}: a forged line")
        return ended.stdout


def fill(scene: Scene, strings: list[str]) -> None:
    """Create sessions with these names, and one session whose events contain all strings."""
    records, project = scene.records, scene.project
    named = {f"s{n // IN_A_LIST}.{n}": name for n, name in enumerate(names(strings))}
    for session_id, name in named.items():
        records.create_named_session(
            session_id,
            session_id,
            project_dir=str(project),
            agent_name=name,
            executor="command",
            host=name,
        )
    give_names(scene.manager, named)
    whole = "\n".join(strings)
    records.create_session("events", "events", str(project))
    for several in batched(strings, 100):
        records.append_events("events", [event for text in several for event in events_of(text)])
    records.append_events("events", [says(whole), {"event_type": "session_stop", "exit_code": 0}])


def events_of(text: str) -> Iterator[dict[str, Any]]:
    yield says(text)
    yield {"event_type": "pre_tool", "tool_name": text, "tool_input": {text: text}}
    yield {"event_type": "post_tool", "tool_name": text, "tool_output": text, "error": text}
    yield {"event_type": text, "content": [{"type": "text", "text": text}]}


def says(text: str) -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"event_type": "message", "role": "assistant", "content": content}


def define_agents(project: Path, strings: list[str]) -> None:
    agents = project / ".agent-orchestrator" / "agents"
    for number, text in enumerate(names(strings)):
        (agents / f"a{number}").mkdir(parents=True)
        definition = {"name": text, "description": text, "model": text}
        if number % 3 == 0:
            definition = {text: text}
        (agents / f"a{number}" / "agent.json").write_text(json.dumps(definition))


def test_output_has_no_terminal_controls_and_no_forged_lines(
    scene: Scene, campaign: Campaign
) -> None:
    chance = campaign.chance()
    strings = [hostile(chance) for _ in range(campaign.count(short=120, long=5000))]
    fill(scene, strings)
    define_agents(scene.project, strings)
    shell = scene.shell
    printed = Printed()
    listed = printed.run(shell, "ao-list-sessions", "--here", "--limit", str(len(strings)))
    assert len(listed.splitlines()) == len(strings) // IN_A_NAME + 2 + bool(
        len(strings) % IN_A_NAME
    )
    printed.run(shell, "ao-logs", "events")
    printed.run(shell, "ao-get-result", "events", may_have_lines=True)
    printed.run(shell, "ao-list-agents")
    lists = range(len(strings) // IN_A_NAME // IN_A_LIST)
    asked = [(command, number) for number in lists for command in ASKING]
    asked = chance.sample(asked, campaign.count(short=3, long=150))

    def ask(index: int) -> None:
        command, number = asked[index]
        others = OTHER_ARGUMENTS.get(command, [])
        printed.run(shell, command, f"s{number}.", *others)

    campaign.rounds(ask, len(asked), at_once=2)
    assert printed.problems == []
    campaign.tell(
        f"{len(strings)} hostile strings, {printed.processes} processes on a terminal or a pipe: "
        "no terminal control, no forged line"
    )


def test_logs_have_no_forged_lines(scene: Scene, campaign: Campaign) -> None:
    chance = campaign.chance()
    count = campaign.count(short=1, long=40)
    logging = scene.shell.having(AGENT_ORCHESTRATOR_ENABLE_LOGGING="1")
    for number in range(count):
        name = ("x" + "".join(hostile(chance) for _ in range(4)))[:NAME_CHARS]
        source = "import sys; sys.stderr.write(sys.argv[1]); sys.exit(3)"
        program = ["--executor", "command", "--", "python3", "-c", source, name]
        logging.run("ao-new", f"s{number}", *program)
        session = scene.records.get_session_by_name(f"s{number}", str(scene.project))
        assert session is not None
        give_names(scene.manager, {session["session_id"]: name})
        logging.run("ao-status", f"{name}{number}")
        logging.run("ao-resume", name, "-p", "hi")
        logging.run("ao-new", name, "--executor", "command", "--", name)
    logs = [scene.manager.log_path]
    logs += [scene.state_dir / log for log in ("supervisors.log", "commands.log")]
    lines = [line for log in logs for line in log.read_text("utf-8").split("\n") if line]
    assert {type(json.loads(line)) for line in lines} == {dict}
    assert [line for line in lines if TERMINAL_CONTROLS.search(line) or is_forged(line)] == []
    campaign.tell(
        f"{4 * count} commands with hostile names: {len(lines)} lines of logs, each valid"
    )


def test_commands_that_print_raw_text_fail_the_check(scene: Scene, campaign: Campaign) -> None:
    chance = campaign.chance()
    strings = [hostile(chance) for _ in range(60)]
    fill(scene, strings)
    unsafe = replace(scene.shell, python=PROGRAM)
    for command, arguments in (("ao-list-sessions", ["--here"]), ("ao-logs", ["events"])):
        printed = Printed()
        printed.run(unsafe, command, *arguments)
        assert len(printed.problems) == 3, command

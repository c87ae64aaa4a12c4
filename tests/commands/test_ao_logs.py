"""`ao-logs`: the events of a session as text and as JSON, from a number on, and followed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.detached_session import start_detached
from tests.commands.shell import DONE, NOT_FOUND, USAGE, Ended, Shell
from tests.commands.terminal import controls_in
from tests.commands.test_hostile_text import HOSTILE
from tests.support.gate import Gate


def text(words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": words}]


EVENTS: list[dict[str, Any]] = [
    {"event_type": "message", "role": "user", "content": text("Fix it.\nSoon.")},
    {"event_type": "thinking", "content": text("Hm.")},
    {
        "event_type": "pre_tool",
        "tool_name": "Bash",
        "tool_input": {"description": "Looks", "command": "ls -l"},
    },
    {"event_type": "post_tool", "tool_name": "Bash", "tool_output": "total 0\nREADME"},
    {"event_type": "pre_tool", "tool_name": "Odd", "tool_input": {"depth": 3}},
    {"event_type": "post_tool", "tool_name": "Odd", "tool_output": {"found": ["ä"]}},
    {"event_type": "post_tool", "tool_name": "Read", "error": "no such file"},
    {"event_type": "message", "role": "assistant", "content": text("Done.")},
    {"event_type": "session_stop", "reason": "completed", "exit_code": 0},
]

SHOWN = """\
[1] TIME user
    Fix it.
    Soon.
[2] TIME thinking
    Hm.
[3] TIME Bash: ls -l
[4] TIME Bash done
    total 0
    README
[5] TIME Odd:
[6] TIME Odd done
    {"found": ["ä"]}
[7] TIME Read failed
    no such file
[8] TIME assistant
    Done.
[9] TIME completed (exit code 0)
"""


@pytest.fixture
def session_id(records: ManagerClient, project: Path, new_id: Callable[[], str]) -> str:
    session_id = new_id()
    records.create_named_session(session_id, "x", project_dir=str(project))
    records.append_events(session_id, EVENTS)
    return session_id


def without_times(shown: str) -> str:
    """Return the output without times and without its first line, the date."""
    assert re.match(r"\d{4}-\d\d-\d\d UTC[+-]\d\d:\d\d\n", shown)
    return re.sub(r"(?m)^(\[\d+\]) \d\d:\d\d:\d\d ", r"\1 TIME ", shown.partition("\n")[2])


def test_events_are_shown_in_order_with_tool_results(shell: Shell, session_id: str) -> None:
    ended = shell.run("ao-logs", "x")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert without_times(ended.stdout) == SHOWN


def test_json_prints_one_stored_event_per_line(
    shell: Shell, records: ManagerClient, session_id: str
) -> None:
    ended = shell.run("ao-logs", "x", "--json")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    shown = [json.loads(line) for line in ended.stdout.splitlines()]
    assert shown == list(records.iterate_events(session_id))


DETAIL = {"event_type": "usage", "request_id": "r", "usage": {"input_tokens": 1}}
"""An event that is shown only with `--json`."""


def test_parts_of_a_session_are_shown(
    shell: Shell, records: ManagerClient, session_id: str
) -> None:
    """Event 10 to 40 are hidden details, so the last shown events are 9 and 41."""
    said = {"event_type": "message", "role": "assistant", "content": text("Later.")}
    records.append_events(session_id, [*[DETAIL] * 31, said])
    for options, seqs in (
        ("--after 7", [8, 9, 41]),
        ("--after 41", []),
        ("--after 99", []),
        ("--after 0", [*range(1, 10), 41]),
        ("--after 2 -n 3", [3, 4, 5]),
        ("--after 8 -n 2", [9, 41]),
        ("-n 0", []),
        ("-n 3", [8, 9, 41]),
        ("-n 99", [*range(1, 10), 41]),
        ("--around 8", [3, 4, 5, 6, 7, 8, 9, 41]),
        ("--around 2", [1, 2, 3, 4, 5, 6, 7]),
        ("--around 9 -n 1", [8, 9, 41]),
        ("--around 20 -n 1", [9, 20, 41]),
        ("--around 5 -n 0", [5]),
        ("--around 41 -n 1 --json", [40, 41]),
        ("--around 5 -n 2 --json", [3, 4, 5, 6, 7]),
        ("-n 2 --json", [40, 41]),
        ("--tail 3", [8, 9, 41]),
        ("--errors", [7]),
        ("--errors -n 0", []),
        ("--since 1h -n 2", [9, 41]),
        ("--since 2999-01-01", []),
    ):
        ended = shell.run("ao-logs", "x", *options.split())
        assert (ended.exit_code, ended.stderr) == (DONE, ""), options
        shown = re.findall(r'(?m)^(?:> )?\[(\d+)\]|"seq": (\d+)', ended.stdout)
        assert [int(plain or in_json) for plain, in_json in shown] == seqs, options
        marked = re.findall(r"(?m)^> \[(\d+)\]", ended.stdout)
        is_marked = "--around" in options and "--json" not in options
        assert marked == options.split()[1:2] * is_marked, options


def test_missing_event_is_reported_with_those_that_exist(
    shell: Shell, records: ManagerClient, session_id: str, project: Path
) -> None:
    records.create_named_session("empty", "empty", project_dir=str(project))
    for arguments, ended in (
        ("x --around 10", (NOT_FOUND, "session 'x' has no event 10: its events are 1 to 9")),
        ("empty --around 1", (NOT_FOUND, "session 'empty' has no event 1: it has no events yet")),
        ("x --around 3 --follow -n 1 --after 2", (USAGE, "give --after or --around, not both")),
        ("x empty --around 3", (USAGE, "--around is for one session")),
        (
            "x --after 3 -n 1 --follow",
            (USAGE, "give --after with --limit or with --follow, not with both"),
        ),
    ):
        code, words = ended
        assert shell.run("ao-logs", *arguments.split()) == Ended(code, "", f"ao-logs: {words}\n")
    for option in ("--after=-1", "--around=0", "-n=-1"):
        assert shell.run("ao-logs", "x", option).exit_code == USAGE


def test_terminal_shows_edits_and_the_beginning_of_outputs(
    shell: Shell, records: ManagerClient, session_id: str
) -> None:
    edit = {"file_path": "a.py", "old_string": "one\ntwo\n", "new_string": "one\nthree\n"}
    usage = {"input_tokens": 5, "output_tokens": 7, "cost_microdollars": 70_000}
    output = "\n".join(str(number) for number in range(4000))
    records.append_events(
        session_id,
        [
            {"event_type": "pre_tool", "tool_name": "Edit", "tool_input": edit},
            {"event_type": "post_tool", "tool_name": "Bash", "tool_output": output},
            {"event_type": "usage", "usage": usage},
        ],
    )
    paged = shell.having(NO_COLOR="", PAGER="sed s/^/PAGED/")
    with paged.on_terminal("ao-logs", "x", "--after", "9") as terminal:
        code, screen = terminal.end()
    assert code == DONE
    assert all(line.startswith("PAGED") for line in screen.splitlines())
    for line in ("\x1b[31m-two\x1b[0m", "\x1b[32m+three\x1b[0m", "usage: 5 in, 7 out, $0.07"):
        assert line in screen
    assert "    11\nPAGED    \x1b[2m… 3,988 more lines, --full shows them\x1b[0m\n" in screen
    plain = shell.having(NO_COLOR="1")
    with plain.on_terminal("ao-logs", "x", "--after", "9", "--full") as terminal:
        screen = terminal.end()[1]
    assert "\x1b" not in screen and "    3999\n" in screen
    piped = shell.run("ao-logs", "x", "--after", "9").stdout
    assert "    3999\n" in piped and "+three" not in piped and "$" not in piped


def test_several_sessions_are_merged_by_time(
    shell: Shell, records: ManagerClient, session_id: str, project: Path
) -> None:
    records.create_named_session("other", "other", project_dir=str(project))
    say = {"event_type": "message", "role": "user", "content": text("Hi.\nYou.")}
    records.append_events("other", [say])
    records.append_events(session_id, [{**say, "content": text("Again.")}])
    records.append_events("other", [{"event_type": "session_stop", "reason": "stopped"}])
    for options in ([], ["--follow"]):
        ended = shell.run("ao-logs", "other", "x", "other", "-n", "2", *options)
        assert (ended.exit_code, ended.stderr) == (DONE, "")
        heads = re.findall(r"(?m)^(other|x    ) \| \[(\d+)\]", ended.stdout)
        assert sorted(heads) == [("other", "1"), ("other", "2"), ("x    ", "10"), ("x    ", "9")]
        assert "other |     Hi.\nother |     You.\n" in ended.stdout
        assert options or [name.strip() for name, _ in heads] == ["x", "other", "x", "other"]
    in_json = shell.run("ao-logs", "x", "other", "-n", "1", "--json").stdout.splitlines()
    assert [json.loads(line)["session_id"] for line in in_json] == [session_id, "other"]


def test_follow_shows_new_events_until_the_run_ends(
    shell: Shell, gate: Gate, started: Path
) -> None:
    start_detached(shell, "x", started, gate)
    with shell.on_terminal("ao-logs", "x", "--follow") as terminal:
        terminal.shows("user\n    hi\n")
        gate.open("the answer")
        code, screen = terminal.end()
    assert code == DONE
    assert without_times(screen) == (
        "[1] TIME user\n    hi\n[2] TIME assistant\n    the answer\n"
        "[3] TIME completed (exit code 0)\n"
    )
    assert shell.run("ao-logs", "x", "--follow", "--after", "3") == Ended(DONE, "", "")
    for options in (("-n", "1"), ("--around", "3", "-n", "0")):
        ended = shell.run("ao-logs", "x", "--follow", *options)
        assert re.findall(r"(?m)^(?:> )?\[(\d+)\]", ended.stdout) == ["3"]


def test_events_of_several_pages_are_each_shown_once(
    shell: Shell, records: ManagerClient, session_id: str
) -> None:
    for _ in range(2):
        records.append_events(session_id, [{"event_type": "message", "role": "user"}] * 1000)
    lines = shell.run("ao-logs", "x", "--json").stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, len(EVENTS) + 2001))


def test_hostile_text_shows_no_controls_and_forges_no_event(
    shell: Shell, records: ManagerClient, project: Path, new_id: Callable[[], str]
) -> None:
    session_id = new_id()
    forged = HOSTILE + "\n[9] 00:00:00 assistant\r[8] 00:00:00 user\u2028[7] 00:00:00 x"
    records.create_named_session(session_id, "x", project_dir=str(project))
    records.append_events(
        session_id,
        [
            {"event_type": "message", "role": forged, "content": text(forged)},
            {"event_type": "pre_tool", "tool_name": forged, "tool_input": {"command": forged}},
            {"event_type": "post_tool", "tool_name": forged, "tool_output": forged},
            {"event_type": "post_tool", "tool_name": forged, "error": forged},
            {"event_type": "session_stop", "reason": forged, "error": forged},
        ],
    )
    plain = shell.having(NO_COLOR="1")
    with plain.on_terminal("ao-logs", "x") as terminal:
        code, screen = terminal.end()
    assert code == DONE
    assert controls_in(screen) == []
    _, *lines = screen.splitlines()
    heads = [line for line in lines if not line.startswith("    ")]
    assert [head.partition("]")[0] for head in heads] == ["[1", "[2", "[3", "[4", "[5"]
    ended = shell.run("ao-logs", "x", "--json")
    assert ended.stdout.isascii()
    assert json.loads(ended.stdout.splitlines()[0])["role"] == forged


def test_events_of_any_shape_are_shown(
    shell: Shell, records: ManagerClient, project: Path, new_id: Callable[[], str]
) -> None:
    session_id = new_id()
    records.create_named_session(session_id, "x", project_dir=str(project))
    records.append_events(
        session_id,
        [
            {"event_type": "message"},
            {"event_type": "message", "role": "user", "content": [{"type": "image"}]},
            {"event_type": "pre_tool"},
            {"event_type": "post_tool", "tool_output": 7},
            {"event_type": "usage", "usage": {}},
            {"event_type": "never_heard_of", "tool_name": "T"},
            {"event_type": "session_stop"},
        ],
    )
    ended = shell.run("ao-logs", "x")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert re.findall(r"(?m)^\[(\d+)\]", ended.stdout) == [str(n) for n in range(1, 8)]
    assert "None" not in ended.stdout

"""`ao` alone on a terminal: the board, with a real manager and real runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.executors.questions import Verdict
from tests.commands.asking_run import PERMISSION, AskingRun
from tests.commands.full_screen import FullScreen
from tests.commands.shell import DONE, FAILED, Shell
from tests.commands.terminal import Terminal
from tests.support.gate import Gate, waiting_program
from tests.support.manager import RunningManager
from tests.support.recording import Received, Reply, json_reply, recording
from tests.support.rows import each_row

LEFT = "\x1b[?1049l"
"""The end of the terminal's second screen: its first one is there again."""
COLOUR = re.compile(r"\x1b\[(?:\d+;)*[349]\dm")
MAKE = {"command": "make all"}
USAGE = {"input_tokens": 1, "output_tokens": 2, "cost_microdollars": 290_000}
COMMAND = ("--executor", "command", "-p", "x")


@contextmanager
def board(shell: Shell, columns: int = 80) -> Iterator[tuple[Terminal, FullScreen]]:
    with shell.on_terminal("ao") as terminal:
        yield terminal, FullScreen(terminal, columns, 24)


def test_board_is_live_and_acts(
    own_shell: Shell, own_records: ManagerClient, gate: Gate, started: Path, project: Path
) -> None:
    shell = own_shell
    shell.run("ao-new", "links", *COMMAND, "--", "ls", "no-such-page")
    running = waiting_program(started, gate)
    assert shell.run("ao-new", "parser", *COMMAND, "--detach", "--", *running).exit_code == DONE
    with board(shell) as (terminal, screen):
        screen.shows("NEEDS YOU 1   RUNNING 1   DONE 0", "❯ ✕ links", "cannot access", "◌ parser")
        with AskingRun(own_records, "clean-db", project, "3600").open() as asking:
            deciding = asking.ask(PERMISSION)
            screen.shows("NEEDS YOU 2", "? clean-db", "asks for permission: Run rm")
            terminal.types("ka")
            screen.shows("command: rm  build\\x1b[2J\\u200b", " 1  Yes")
            terminal.types("1")
            screen.shows("answered clean-db: Yes")
            assert asking.decision(deciding).verdict is Verdict.ALLOW
            asking.record({"event_type": "pre_tool", "tool_name": "Bash", "tool_input": MAKE})
            asking.record({"event_type": "usage", "request_id": "r", "usage": USAGE})
            screen.shows("◌ clean-db", "Bash: make all", "today $0.29")
            asking.record({"event_type": "session_stop", "reason": "completed"})
            screen.shows("NEEDS YOU 1   RUNNING 1   DONE 1")
        terminal.types("\x1b")
        screen.no_longer_shows("── clean-db")
        terminal.types("/parser")
        screen.shows("❯ ◌ parser", "Filter: parser")
        terminal.types("\rt")
        screen.shows("Tell parser:")
        terminal.types("hello\r")
        screen.shows("did not take the message: a program accepts no messages")
        terminal.types("sy")
        screen.shows("parser stopped", "No row has this text.")
        terminal.types("\x1b")
        screen.shows("links")
        terminal.types("gm")
        screen.shows("links: seen", "seen · ls ended with exit code", "NEEDS YOU 0")
        terminal.types("\r")
        screen.shows("Enter leads back to the board.", "no-such-page")
        terminal.types("\r")
        screen.shows("❯ ✕ links")
        terminal.types("u")
        screen.shows("links: unseen", "NEEDS YOU 1")
        gate.open("again")
        terminal.types("rDo it again.\r")
        screen.shows("resumed links")
        screen.resize(60, 20)
        screen.shows("/  ?  q")
        assert "filter" not in screen.lines[19]
        terminal.types("o")
        screen.shows("no browser can be opened from here: open this address")
        terminal.types("?")
        screen.shows("leave the board; the runs continue")
        assert not COLOUR.search(terminal.output)
        terminal.types("xq")
        code, _ = terminal.end()
    assert (code, terminal.output.count(LEFT)) == (DONE, 2)


def test_board_waits_for_a_manager_that_is_down(
    own_shell: Shell, own: RunningManager, own_records: ManagerClient
) -> None:
    with board(own_shell.having(NO_COLOR="")) as (terminal, screen):
        screen.shows("Nothing needs you. Nothing runs.", "ao new NAME")
        assert own.stop() == 0
        screen.shows("the manager does not answer, trying again; `agent-session-manager serve`")
        own.restart()
        own_records.create_session("s", "new-one", project_dir="/p")
        screen.shows("◌ new-one", "RUNNING 1")
        screen.no_longer_shows("does not answer")
        assert COLOUR.search(terminal.output)
        terminal.types("\x03")
        code, _ = terminal.end()
    assert (code, LEFT in terminal.output) == (DONE, True)


def test_terminal_is_restored_after_an_error(
    own_shell: Shell, own_records: ManagerClient, new_id: Callable[[], str]
) -> None:
    session = own_records._request(
        "POST", "/sessions", {"session_id": new_id(), "session_name": "x"}
    )["session"]

    def lie(received: Received) -> Reply:
        if received.headers.get("accept") == "text/event-stream":
            frame = b"id: g:1\nevent: ready\ndata: {}\n\n"
            return Reply(body=frame, content_type="text/event-stream")
        return json_reply({"sessions": [{**session, "usage": 7}], "next_page": None})

    with recording(lie) as liar:
        shell = own_shell.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=liar.url)
        with board(shell) as (terminal, _):
            code, _ = terminal.end()
    before, _, after = terminal.output.rpartition(LEFT)
    assert (code, bool(before)) == (FAILED, True)
    assert "ao: internal error in this command: " in after


@each_row(
    "variables", [{"TERM": "dumb"}, {"TERM": ""}, {"AGENT_ORCHESTRATOR_SESSION_ID": "of-a-run"}]
)
def test_ao_prints_its_help_where_a_board_is_no_use(
    own_shell: Shell, variables: dict[str, str]
) -> None:
    with own_shell.having(**variables).on_terminal("ao") as terminal:
        code, screen = terminal.end()
    assert code == DONE
    assert screen.startswith("Usage: ao") and "\x1b" not in screen
    assert own_shell.run("ao").stdout.startswith("Usage: ao")

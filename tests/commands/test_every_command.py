"""Rules for every command: how it is called, where it prints, and how it fails."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from agent_orchestrator import __version__
from agent_orchestrator.client.manager import ManagerClient
from tests.commands.command_names import (
    ALL,
    COMMANDS,
    LIGHT,
    NEED_A_MANAGER,
    NEED_A_RUN,
    arguments_of,
)
from tests.commands.finished_session import finished_session
from tests.commands.shell import (
    DONE,
    FAILED,
    NOT_FINISHED,
    NOT_FOUND,
    USAGE,
    Ended,
    Shell,
    call,
    main_of,
)
from tests.support import defective
from tests.support.environment import BIN
from tests.support.forked_program import ForkedProgram
from tests.support.recording import Reply, json_reply, recording, refused_url, silent_server
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS


@each_row("command", ALL)
def test_help_has_examples_and_exit_codes(command: str) -> None:
    ended = call(command, "--help")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert ended.stdout.startswith(f"Usage: {command} ")
    examples = ended.stdout.partition("Examples:\n")[2]
    assert re.match(rf"  .*\b{command} ?", examples), ended.stdout
    codes = "0 done, 1 failed, 2 usage, 3 not found, 4 not finished."
    assert codes in " ".join(ended.stdout.split())


@each_row("command", ALL)
def test_version(command: str) -> None:
    assert call(command, "--version") == Ended(DONE, f"{command} {__version__}\n", "")


@each_row("command", ALL)
def test_an_unknown_option_is_a_usage_error_in_one_line(command: str) -> None:
    assert call(command, "--xyzzy") == Ended(
        USAGE, "", f"{command}: No such option '--xyzzy'. See {command} --help.\n"
    )


def test_impossible_number_is_a_usage_error() -> None:
    """Every option that takes a number refuses one that is too large or negative."""
    numbers = [
        (command, option.opts[-1])
        for command in ALL
        for option in main_of(command).params
        if isinstance(option.type, click.IntRange | click.FloatRange)
    ]
    assert len(numbers) >= 4
    for command, flag in numbers:
        for number in ("9" * 400, "9" * 5000, "-1"):
            ended = call(command, f"{flag}={number}")
            assert ended.exit_code == USAGE, (command, flag, ended)
            assert ended.stderr.startswith(f"{command}: Invalid value for ")
            assert f"'{flag}': " in ended.stderr


@each_row(
    "command",
    [
        *("ao-get-result", "ao-logs", "ao-new", "ao-rename", "ao-resume", "ao-send", "ao-status"),
        *("ao-export", "ao-stop", "ao-wait"),
    ],
)
def test_a_missing_argument_is_a_usage_error_in_one_line(command: str) -> None:
    several = ("ao-logs", "ao-stop", "ao-wait")
    argument = "NAME" if command == "ao-new" else "SESSION" + "S..." * (command in several)
    assert call(command) == Ended(
        USAGE, "", f"{command}: Missing argument '{argument}'. See {command} --help.\n"
    )


@each_row(
    ("variables", "problem"),
    [
        (
            {"AGENT_ORCHESTRATOR_PROJECT_DIR": "/no/such/project"},
            "AGENT_ORCHESTRATOR_PROJECT_DIR (--project-dir): no directory '/no/such/project'",
        ),
        (
            {"AGENT_ORCHESTRATOR_SESSION_MANAGER_URL": "ftp://here"},
            "AGENT_ORCHESTRATOR_SESSION_MANAGER_URL is 'ftp://here', "
            "not an http:// or https:// URL",
        ),
        (
            {"AGENT_ORCHESTRATOR_ENABLE_LOGGING": "perhaps"},
            "AGENT_ORCHESTRATOR_ENABLE_LOGGING is 'perhaps', neither true nor false",
        ),
    ],
)
def test_a_bad_setting_names_its_variable_and_its_value(
    variables: dict[str, str], problem: str
) -> None:
    for command in ("ao-new", "ao-show-config"):
        ended = call(command, *arguments_of(command), **variables)
        assert ended == Ended(USAGE, "", f"{command}: {problem}\n")


@each_row(
    ("given", "problem"),
    [
        (
            ("ao-new", "x", "-p", "x", "--project-dir", "/no/such/project"),
            "--project-dir: no directory '/no/such/project'",
        ),
        (
            ("ao-wait", "x", "--timeout", "abc"),
            "Invalid value for '--timeout': 'abc' is not a valid number of seconds. "
            "See ao-wait --help.",
        ),
        (
            ("ao-logs", "x", "-n", "abc"),
            "Invalid value for '-n' / '--limit' / '--tail': 'abc' is not a valid whole number. "
            "See ao-logs --help.",
        ),
    ],
)
def test_bad_option_is_named_without_other_words(given: tuple[str, ...], problem: str) -> None:
    assert call(*given) == Ended(USAGE, "", f"{given[0]}: {problem}\n")


@each_row("command", ["ao-new", "ao-status"])
def test_removed_directory_allows_look_ups_but_no_runs(
    shell: Shell, command: str, tmp_path: Path
) -> None:
    project = tmp_path / "gone"
    project.mkdir()
    inside = ["sh", "-c", 'rmdir "$0" && exec "$@"', str(project)]
    environment = {**shell.environment, "PWD": str(project)}
    gone = Shell(directory=project, environment=environment, prefix=tuple(inside))
    ended = gone.run(command, *arguments_of(command))
    if command == "ao-status":
        assert ended == Ended(NOT_FOUND, "not_existent\n", "")
    else:
        assert (ended.exit_code, ended.stdout) == (USAGE, "")
        assert f"the working directory {project} is gone" in ended.stderr


def test_agent_others_can_write_runs_only_if_project_is_named(shell: Shell, project: Path) -> None:
    agent = project / ".agent-orchestrator" / "agents" / "echo"
    agent.mkdir(parents=True)
    (agent / "agent.json").write_text(json.dumps({"command": ["echo", "ran"]}))
    ours = shell.run("ao-new", "ours", "--agent", "echo")
    assert (ours.exit_code, ours.stdout) == (DONE, "ran\n")
    agent.chmod(0o777)
    for command in (["ao-new", "x", "--agent", "echo"], ["ao-resume", "ours", "-p", "hi"]):
        refused = shell.run(*command)
        assert (refused.exit_code, refused.stdout) == (USAGE, "")
        assert f"{agent} can be written by every user" in refused.stderr
    named = shell.run("ao-new", "y", "--agent", "echo", "--project-dir", ".")
    assert (named.exit_code, named.stdout) == (DONE, "ran\n")


@each_row("command", [*(c for c in NEED_A_MANAGER if c != "ao-stop"), "ao-resume", "ao-new"])
def test_unreachable_configured_manager_is_named_with_advice(
    shell: Shell, command: str, own_home: Path
) -> None:
    with refused_url() as url:
        alone = shell.having(
            AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=url, AGENT_ORCHESTRATOR_STATE_DIR=None
        )
        ended = alone.run(command, *arguments_of(command))
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert url in ended.stderr
    assert "pip install agent-orchestrator && agent-session-manager serve" in ended.stderr
    assert list(own_home.glob("**/manager-*")) == []


def test_silent_manager_is_waited_for_with_a_note(shell: Shell) -> None:
    """It may only be slow. A stop of a run has another way, and takes it soon."""
    with silent_server() as url:
        given = shell.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=url)
        with given.on_terminal("ao-status", "x") as terminal:
            terminal.shows(f"ao-status: waiting for an answer of the session manager at {url}")
            terminal.types("\x03")
            assert terminal.wait() == FAILED
        stopped = given.run("ao-stop", "x", "--json")
        waited = given.run("ao-wait", "x", "--timeout", "1", "--json")
    assert "timed out" in stopped.stderr
    assert stopped.json == []
    assert (waited.exit_code, waited.json) == (NOT_FINISHED, [])


@each_row(
    "reply",
    [
        Reply(body=b"<h1>It works!</h1>", content_type="text/html"),
        json_reply({"detail": "busy", "code": "overloaded"}, 503),
        json_reply(["not", "an", "object"]),
    ],
)
@each_row("command", ["ao-list-sessions", "ao-new", "ao-status"])
def test_server_that_is_not_a_manager_is_reported(shell: Shell, command: str, reply: Reply) -> None:
    with recording(reply) as server:
        there = shell.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=server.url)
        ended = there.run(command, *(arguments_of(command) or []))
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert server.url in ended.stderr


@each_row("command", ["ao-clean", "ao-list-sessions", "ao-status"])
def test_incomplete_session_is_not_accepted_as_an_answer(shell: Shell, command: str) -> None:
    half = {"session_id": "x"}
    with recording(lambda _: json_reply({"session": half, "sessions": [half]})) as server:
        there = shell.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=server.url)
        ended = there.run(command, *arguments_of(command))
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert server.url in ended.stderr and "internal error" not in ended.stderr


def test_defect_prints_one_line_and_logs_its_trace_on_request(shell: Shell, tmp_path: Path) -> None:
    there = replace(shell, python=defective.PROGRAM).having(
        AGENT_ORCHESTRATOR_STATE_DIR=str(tmp_path / "state"),
    )
    ended = there.run("ao-list-sessions")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    log = tmp_path / "state" / "commands.log"
    assert "internal error in this command: KeyError" in ended.stderr
    assert str(log) in ended.stderr
    assert not log.exists()
    there.having(AGENT_ORCHESTRATOR_ENABLE_LOGGING="1").run("ao-status", "x")
    (line,) = (line for line in log.read_text().splitlines() if '"trace": ' in line)
    assert '"error": "KeyError"' in line


def test_log_that_cannot_be_written_is_named(shell: Shell) -> None:
    told = shell.having(
        AGENT_ORCHESTRATOR_ENABLE_LOGGING="1", AGENT_ORCHESTRATOR_STATE_DIR="/dev/null/state"
    )
    assert told.run("ao-show-config") == Ended(
        FAILED, "", "ao-show-config: /dev/null/state: Not a directory\n"
    )


def test_result_of_a_session_without_answer_is_an_error(shell: Shell) -> None:
    shell.run("ao-new", "x", "--executor", "command", "--", "no-such-program")
    assert shell.run("ao-get-result", "x") == Ended(
        FAILED, "", "ao-get-result: session 'x' finished without an answer\n"
    )


@contextmanager
def full_and_closed() -> Iterator[tuple[int, int]]:
    """Yield a file on a full disk, and a pipe without a reader."""
    reading, closed = os.pipe()
    os.close(reading)
    full = os.open("/dev/full", os.O_WRONLY)
    yield full, closed
    os.close(closed)
    os.close(full)


@each_row(
    "given",
    [("ao-logs", "-h"), ("ao-new", "--version"), ("ao", "help"), ("ao", "new", "-h"), ("ao", "-V"),
     *(("agent-session-manager", each) for each in ("--help", "-V", "openapi", "status", "export")),
     ("agent-session-manager", "serve", "--help")],
)  # fmt: skip
def test_output_that_cannot_be_written_is_no_defect(shell: Shell, given: tuple[str, ...]) -> None:
    """A full disk is an error of one line, and a closed pipe is not an error."""
    name, *arguments = given
    program = [str(COMMANDS / name if name.startswith("ao") else BIN / name), *arguments]

    def run(stdout: int) -> tuple[int | None, list[str]]:
        where = shell.directory
        forked = ForkedProgram(
            program, environment=shell.environment, directory=where, stdout=stdout
        )
        _, stderr = forked.communicate(timeout=WATCHDOG_SECONDS)
        return forked.returncode, stderr.decode().splitlines()

    with full_and_closed() as (full, closed):
        code, (line,) = run(full)
        assert (code, run(closed)) == (FAILED, (DONE, []))
    assert line.endswith(f"cannot be written: {os.strerror(errno.ENOSPC)}")


@each_row("program", ["ao-show-config", "agent-session-manager"])
def test_unwritten_output_is_no_defect_at_the_end_of_python(shell: Shell, program: str) -> None:
    """Python writes the rest of its buffers when it ends; a forked program does not."""
    command = [str(BIN / program), *(() if program.startswith("ao") else ("--help",))]
    with full_and_closed() as (full, closed):
        unwritten = shell.run_program(*command, stdout=full)
        unread = shell.run_program(*command, stdout=closed)
    assert (unwritten.returncode, len(unwritten.stderr.splitlines())) == (FAILED, 1)
    assert (unread.returncode, unread.stderr) == (DONE, b"")


@each_row("command", [command for command in LIGHT if command not in NEED_A_RUN])
def test_answer_that_cannot_be_written_fails_with_one_line(
    shell: Shell, records: ManagerClient, command: str, tmp_path: Path
) -> None:
    shell = shell.at(tmp_path)
    finished_session(records, tmp_path)
    (shell.directory / ".claude" / "agents").mkdir(parents=True)
    (shell.directory / ".claude" / "agents" / "a.md").write_text(
        "---\nname: a\ndescription: b\n---\n"
    )
    with full_and_closed() as (full, _):
        ended = shell.run(command, *arguments_of(command), stdout=full)
    why = os.strerror(errno.ENOSPC)
    assert ended == Ended(FAILED, "", f"{command}: the answer cannot be written: {why}\n")


@each_row("argument", ["missing", "", "../sessions", "x" * 3000, "%2e%2e", "a b\n"])
def test_unknown_session_of_any_name_has_a_status(shell: Shell, argument: str) -> None:
    assert shell.run("ao-status", argument) == Ended(NOT_FOUND, "not_existent\n", "")


@each_row(
    ("command", "given"),
    [
        *(("ao-clean", []), ("ao-get-result", []), ("ao-logs", []), ("ao-rename", ["y"])),
        ("ao-export", []),
        *(("ao-resume", ["-p", "hi"]), ("ao-send", ["-p", "hi"]), ("ao-stop", []), ("ao-wait", [])),
    ],
)
def test_an_unknown_session_is_not_found(shell: Shell, command: str, given: list[str]) -> None:
    assert shell.run(command, "missing", *given) == Ended(
        NOT_FOUND,
        "",
        f"{command}: no session 'missing' in {shell.directory}; "
        "list the sessions with ao-list-sessions\n",
    )


def test_the_status_of_an_unknown_session_as_json(shell: Shell) -> None:
    ended = shell.run("ao-status", "missing", "--json")
    assert (ended.exit_code, ended.json) == (NOT_FOUND, {"status": "not_existent"})


def test_argument_that_is_not_text_is_not_a_session(shell: Shell) -> None:
    done = shell.run_program(*shell.command("ao-status"), b"\xff\xfe")
    assert (done.returncode, done.stdout, done.stderr) == (NOT_FOUND, b"not_existent\n", b"")

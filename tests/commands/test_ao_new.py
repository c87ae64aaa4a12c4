from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.events.prepare import EVENT_BYTES_LIMIT
from agent_orchestrator.outbox.outbox import MAX_BATCH_BYTES
from agent_shared.manager_settings import DEFAULT_LEASE_SECONDS
from tests.commands.detached_session import start_detached
from tests.commands.shell import DONE, FAILED, USAGE, Ended, Shell
from tests.support.gate import Gate
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

READS_STDIN = ("--executor", "command", "--", "cat")


def only_session(records: ManagerClient, project: Path) -> dict[str, object]:
    (session,) = records.find_sessions(project_dir=str(project))
    return session


@each_row(
    "name, program, answer",
    [
        ("count", ["wc", "-w"], "2\n"),
        ("no-end", ["printf", "no end"], "no end\n"),
        ("controls", ["printf", r"a\033]52;c;ZXZpbA==\007b\033[31mc\033[0m\r\n"], "abc\n"),
        ("ß🙂 " * 66 + "ab", ["echo", "a name of 200 characters"], "a name of 200 characters\n"),
    ],
)
def test_answer_is_the_output_of_the_program(
    shell: Shell, name: str, program: list[str], answer: str
) -> None:
    """A final newline is added, and terminal controls are left out."""
    ended = shell.run("ao-new", name, "-p", "one two", "--executor", "command", "--", *program)
    assert ended == Ended(DONE, answer, "")


def test_json_is_the_session_and_its_result(
    shell: Shell, records: ManagerClient, project: Path
) -> None:
    ended = shell.run("ao-new", "count", "-p", "hi", "--json", *READS_STDIN)
    session = only_session(records, project)
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert ended.json == {**session, "result": "hi", "error": None}
    assert {
        "session_name": "count",
        "project_dir": str(project),
        "executor": "command",
        "status": "finished",
        "reason": "completed",
        "exit_code": 0,
        "run": 1,
        "host": socket.gethostname(),
    }.items() <= session.items()


@each_row(
    ("flag", "stdin", "prompt"),
    [
        ([], "stdin\n", "stdin"),
        (["-p", "flag"], "stdin\n", "flag"),
        (["-p", "flag", "-p", "-"], "stdin\n", "flag\n\nstdin"),
        (["-p", "-", "-p", "flag"], "stdin\n", "stdin\n\nflag"),
        (["-p", "flag", "-p", "-"], "", "flag"),
        ([], None, ""),
        ([], b"caf\xc3\xa9 \xff", "café \ufffd"),
    ],
)
def test_prompt_joins_its_sources_in_order(
    shell: Shell,
    new_id: Callable[[], str],
    flag: list[str],
    stdin: str | bytes | None,
    prompt: str,
) -> None:
    ended = shell.run("ao-new", new_id(), "--json", *flag, *READS_STDIN, stdin=stdin)
    assert ended.exit_code == DONE
    assert ended.json["result"] == (prompt or None)


def test_open_stdin_is_waited_for_with_a_notice(shell: Shell) -> None:
    reading, writing = os.pipe()
    command = shell.forked_command("ao-new", "x", "-p", "flag", "-p", "-", *READS_STDIN)
    with subprocess.Popen(
        command,
        stdin=reading,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=shell.directory,
        env=shell.environment,
    ) as process:
        os.close(reading)
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        os.close(writing)
        stdout, rest = process.communicate(timeout=WATCHDOG_SECONDS)
    assert line.startswith("ao-new: reading the prompt from stdin until it ends")
    assert (process.returncode, stdout, rest) == (DONE, b"flag\n", b"")


def test_command_does_not_read_the_stdin_of_a_shell_loop(shell: Shell) -> None:
    ao_new = shell.forked_command("ao-new")
    loop = 'while read word; do "$@" "n-$word" -p "$word" --executor command -- cat; done'
    done = shell.run_program("sh", "-c", loop, "sh", *ao_new, stdin=b"one\ntwo\n")
    assert (done.stdout, done.stderr) == (b"one\ntwo\n", b"")


def test_closed_stdin_counts_as_empty(shell: Shell) -> None:
    command = shell.command("ao-new", "x", "-p", "flag", "-p", "-", *READS_STDIN)
    done = shell.run_program("sh", "-c", 'exec "$@" <&-', "sh", *command)
    assert (done.returncode, done.stdout, done.stderr) == (DONE, b"flag\n", b"")


def test_events_are_recorded_completely_in_order_and_once(
    shell: Shell, records: ManagerClient, project: Path
) -> None:
    program = ["sh", "-c", "echo thinking >&2; exec 2>&-; cat"]
    shell.run("ao-new", "x", "-p", "hi", "--executor", "command", "--", *program)
    session = only_session(records, project)
    events = list(records.iterate_events(str(session["session_id"])))
    told = [(e["run"], e["event_type"], e.get("role"), e.get("content")) for e in events]
    assert [event["seq"] for event in events] == [1, 2, 3, 4]
    assert (told[0], told[3]) == (
        (1, "message", "user", [{"type": "text", "text": "hi"}]),
        (1, "session_stop", None, None),
    )
    # These two come from two pipes, in either order.
    assert sorted(told[1:3], key=str) == [
        (1, "message", "assistant", [{"type": "text", "text": "hi"}]),
        (1, "stderr", None, [{"type": "text", "text": "thinking\n"}]),
    ]
    assert len({event["event_id"] for event in events}) == len(events)
    assert (events[-1]["exit_code"], events[-1]["reason"]) == (0, "completed")
    assert not any(event["late"] for event in events)


def test_session_is_running_before_the_program_starts(
    shell: Shell,
) -> None:
    program = shell.forked_command("ao-status", "x")
    ended = shell.run("ao-new", "x", "--executor", "command", "--", *program)
    assert ended == Ended(DONE, "running\n", "")


@each_row(
    "name, program, answer, error, exit_code",
    [
        (
            "failed",
            ["sh", "-c", "echo half an answer; echo out of paper >&2; exit 7"],
            "half an answer\n",
            "sh ended with exit code 7: out of paper",
            7,
        ),
        ("killed", ["sh", "-c", "kill -9 $$"], "", "sh was killed by SIGKILL", 137),
        (
            "missing",
            ["no-such-program"],
            "",
            "no program 'no-such-program' in the directories of PATH: install it, or give its path",
            1,
        ),
    ],
)
def test_failed_program_fails_the_command_and_keeps_its_output(
    shell: Shell,
    records: ManagerClient,
    name: str,
    program: list[str],
    answer: str,
    error: str,
    exit_code: int,
) -> None:
    ended = shell.run("ao-new", name, "-p", "hi", "--executor", "command", "--", *program)
    assert ended == Ended(FAILED, answer, f"ao-new: session {name!r} failed: {error}\n")
    (found,) = records.find_sessions(session_name=name, project_dir=str(shell.directory))
    expected = ("finished", "failed", exit_code)
    assert (found["status"], found["reason"], found["exit_code"]) == expected
    *_, last = records.iterate_events(found["session_id"])
    assert last["event_type"] == "session_stop" and error.startswith(last["error"][:20])


def test_large_output_is_a_complete_answer(shell: Shell) -> None:
    """The output is larger than an event, a batch of events, and the buffer of a pipe."""
    expected = "".join(f"{number}\n" for number in range(1, 350_001))
    assert len(expected) > max(EVENT_BYTES_LIMIT, MAX_BATCH_BYTES)
    command = ("ao-new", "x", "--executor", "command", "--", "seq", "1", "350000")
    assert shell.run(*command).stdout == expected
    assert shell.run("ao-get-result", "x").stdout == expected
    shown = shell.run("ao-logs", "x").stdout
    assert shown.count("] ") == 3
    assert shown.count("\n    ") == 350_000


def test_json_of_a_failed_run_has_its_error(shell: Shell) -> None:
    ended = shell.run("ao-new", "x", "--json", "--executor", "command", "--", "false")
    assert ended.exit_code == FAILED
    assert (ended.json["result"], ended.json["reason"]) == (None, "failed")
    assert ended.json["error"] == "false ended with exit code 1"


@each_row("name", ["", "x" * 201])
def test_a_name_is_neither_empty_nor_too_long(
    shell: Shell, records: ManagerClient, project: Path, name: str
) -> None:
    ended = shell.run("ao-new", name, *READS_STDIN)
    assert ended == Ended(USAGE, "", "ao-new: a name has 1 to 200 characters\n")
    assert list(records.find_sessions(project_dir=str(project))) == []


@each_row(
    ("arguments", "problem"),
    [
        (["x"], "no prompt: give one with -p TEXT or on stdin"),
        (["x", "-p", " \t\n"], "the prompt is blank: give the agent a task"),
        (
            ["x", "-p", " ", "--executor", "command", "--", "cat"],
            "the prompt is blank: give the agent a task",
        ),
        (["x", "--executor", "command"], "the command executor needs a program: … -- PROGRAM ARG…"),
        *(
            (
                ["x", "--executor", "command", *limit, "--", "true"],
                "--max-cost and --max-turns are limits of Claude Code: the command executor has "
                "only --timeout",
            )
            for limit in (["--max-cost", "1"], ["--max-turns", "1"])
        ),
        (
            ["x", "-p", "hi", "--", "cat"],
            "-- PROGRAM goes with --executor command or acp, not claude",
        ),
        (["x", "--agent", "missing", "-p", "hi"], "no agent 'missing'; no agents are defined"),
    ],
)
def test_invalid_run_is_refused_before_a_session_is_created(
    shell: Shell, records: ManagerClient, project: Path, arguments: list[str], problem: str
) -> None:
    assert shell.run("ao-new", *arguments) == Ended(USAGE, "", f"ao-new: {problem}\n")
    assert list(records.find_sessions(project_dir=str(project))) == []


def test_commands_racing_for_one_name_have_one_winner(
    shell: Shell, records: ManagerClient, project: Path
) -> None:
    """All commands read their prompt from stdin, and their stdin ends at the same moment."""
    racing = [shell.start("ao-new", "same", *READS_STDIN, stdin=True) for _ in range(4)]
    wait_for(lambda: all(running.is_waiting for running in racing), "all commands wait")
    with ThreadPoolExecutor(len(racing)) as pool:
        ended = list(pool.map(lambda running: running.end("hi"), racing))
    won = [end for end in ended if end.exit_code == DONE]
    lost = [end for end in ended if end.exit_code != DONE]
    assert [end.stdout for end in won] == ["hi\n"]
    assert [(end.exit_code, end.stdout) for end in lost] == [(FAILED, "")] * 3
    advice = (
        f"ao-new: there is a session 'same' in {project} already: continue it with ao-resume, "
        "remove it with ao-clean, or choose another name"
    )
    assert [end.stderr.splitlines()[-1] for end in lost] == [advice] * 3
    session = only_session(records, project)
    assert session["last_seq"] == 3


def test_same_name_in_two_projects_is_two_sessions(
    shell: Shell, records: ManagerClient, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ended = shell.at(tmp_path / name).run("ao-new", "same", "-p", name, *READS_STDIN)
        assert ended == Ended(DONE, f"{name}\n", "")
    for name in ("one", "two"):
        assert shell.at(tmp_path / name).run("ao-get-result", "same").stdout == f"{name}\n"


def test_a_name_is_free_again_once_its_session_is_deleted(shell: Shell) -> None:
    for _ in range(2):
        assert shell.run("ao-new", "x", "-p", "hi", *READS_STDIN).exit_code == DONE
        assert shell.run("ao-clean", "x").exit_code == DONE


def test_agent_inherits_the_environment_without_control_token(
    shell: Shell, manager: RunningManager, records: ManagerClient, project: Path
) -> None:
    told = shell.having(AGENT_ORCHESTRATOR_TOKEN=manager.token, OF_THE_PERSON="yes")
    ended = told.run("ao-new", "x", "--executor", "command", "--", "env")
    variables = dict(line.split("=", 1) for line in ended.stdout.splitlines())
    added = {"PWD", "SHLVL", "_", "LC_CTYPE"}
    added |= {"AGENT_ORCHESTRATOR_RUN", "AGENT_ORCHESTRATOR_SESSION_ID"}
    added |= {"AGENT_ORCHESTRATOR_RUN_TOKEN", "AGENT_ORCHESTRATOR_RUN_MANAGER_URL"}
    assert variables.keys() - added == told.environment.keys() - {"AGENT_ORCHESTRATOR_TOKEN"}
    assert variables["OF_THE_PERSON"] == "yes"
    (session,) = records.find_sessions(project_dir=str(project))
    assert variables["AGENT_ORCHESTRATOR_SESSION_ID"] == session["session_id"]
    assert variables["AGENT_ORCHESTRATOR_RUN_MANAGER_URL"] == manager.url
    assert manager.token not in ended.stdout


def test_program_runs_in_the_project_directory(shell: Shell, project: Path) -> None:
    (project / ".agent-orchestrator").mkdir()
    below = project / "src" / "deep"
    below.mkdir(parents=True)
    ended = shell.at(below).run("ao-new", "x", "--executor", "command", "--", "pwd")
    assert ended.stdout == f"{project}\n"


def test_agent_definition_supplies_the_program(shell: Shell, project: Path) -> None:
    definition = project / ".agent-orchestrator" / "agents" / "counter" / "agent.json"
    definition.parent.mkdir(parents=True)
    definition.write_text(json.dumps({"description": "Counts.", "command": ["wc", "-w"]}))
    ended = shell.run("ao-new", "x", "--agent", "counter", "-p", "one two three", "--json")
    assert (ended.json["result"], ended.json["agent_name"]) == ("3\n", "counter")


def test_lease_is_renewed_when_the_supervisor_starts(
    shell: Shell, records: ManagerClient, gate: Gate, started: Path
) -> None:
    """If the start was slow, a first renewal after a third of the term came too late."""
    session_id, _ = start_detached(shell, "x", started, gate)

    def renewed() -> bool:
        session = records.get_session(session_id)
        texts = (session["created_at"], session["lease"]["expires_at"])
        created, expires = map(datetime.fromisoformat, texts)
        return (expires - created).total_seconds() > DEFAULT_LEASE_SECONDS

    wait_for(renewed, "the lease is renewed")
    gate.open()

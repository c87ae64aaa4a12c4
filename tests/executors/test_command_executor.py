"""A program that the executor runs: its input, its output, its environment and its exit code."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.base import Execution, ExecutorError, RunSpec
from agent_orchestrator.executors.program.command import CommandExecutor
from agent_orchestrator.machine.environment import RUN_MARKER
from agent_orchestrator.runs.executor_table import create_executor
from tests.executors.program_events import answer_of, execution_of, joined, text_of
from tests.support.beacon import Beacon
from tests.support.loops import run
from tests.support.rows import each_row

Execute = Callable[..., list[Event]]


@pytest.fixture
def execute(tmp_path: Path) -> Execute:
    def act(*command: str, prompt: str = "hi", **environment: str) -> list[Event]:
        executor = CommandExecutor(execution_of(tmp_path, *command, **environment))

        async def collect() -> list[Event]:
            return joined([event async for event in executor.run(prompt)])

        return run(collect())

    return act


def without_stamps(events: list[Event]) -> list[Event]:
    return [
        {key: value for key, value in event.items() if key not in ("event_id", "timestamp")}
        for event in events
    ]


def python(source: str) -> list[str]:
    return [sys.executable, "-c", source]


def test_promises_1_3_5_events_are_in_order_with_ids_and_times(
    execute: Execute,
) -> None:
    events = execute("cat", prompt="grüße\n")
    assert without_stamps(events) == [
        {
            "event_type": "message",
            "role": "user",
            "content": [{"type": "text", "text": "grüße\n"}],
        },
        {
            "event_type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": "grüße\n"}],
        },
        {"event_type": "session_stop", "exit_code": 0, "reason": "completed"},
    ]
    assert len({event["event_id"] for event in events}) == 3
    assert [event["timestamp"] for event in events] == sorted(e["timestamp"] for e in events)
    assert all(event["timestamp"].endswith("+00:00") for event in events)


def test_promise_2_prompt_event_precedes_the_programs_end(tmp_path: Path) -> None:
    async def act() -> str:
        async with Beacon.open() as beacon:
            executor = CommandExecutor(execution_of(tmp_path, *beacon.command()))
            async with aclosing(executor.run("hi")) as events:
                return text_of(await anext(events))

    assert run(act()) == "hi"


def test_program_gets_the_project_and_the_given_environment_only(
    execute: Execute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERITED", "1")
    source = "import os; print(os.getcwd(), sorted(os.environ))"
    events = execute(*python(source), GIVEN="1", LC_ALL="C.UTF-8")
    assert answer_of(events) == f"{tmp_path} {sorted(['GIVEN', 'LC_ALL', RUN_MARKER])}\n"


def test_program_without_output_has_an_empty_answer(execute: Execute) -> None:
    assert answer_of(execute(*python(""))) == ""


def test_stderr_becomes_separate_events(execute: Execute) -> None:
    events = execute(*python("import sys; print('out'); print('careful', file=sys.stderr)"))
    assert {"event_type": "stderr", "content": [{"type": "text", "text": "careful\n"}]} in (
        without_stamps(events)
    )


def test_promise_2_output_becomes_events_while_the_program_runs(tmp_path: Path) -> None:
    async def act() -> list[str]:
        async with Beacon.open() as beacon:
            source = "read word; echo $word; read word; printf $word; exec"
            command = f"{source} {shlex.join(beacon.command())}"
            execution = execution_of(tmp_path, "sh", "-c", command)
            events = CommandExecutor(execution, flush_seconds=0).run("one\ntwo\n")
            async with aclosing(events):
                return [text_of(await anext(events)) for _ in range(3)]

    assert run(act()) == ["one\ntwo\n", "one\n", "two"]


def test_non_zero_exit_fails_with_the_last_lines_of_stderr(execute: Execute) -> None:
    source = "import sys; print('partial'); [print('line', n, file=sys.stderr) for n in range(99)]"
    events = execute(*python(f"{source}; sys.exit(3)"))
    assert answer_of(events) == "partial\n"
    stop = without_stamps(events)[-1]
    error = stop.pop("error")
    assert stop == {"event_type": "session_stop", "exit_code": 3, "reason": "failed"}
    assert error.startswith(f"{sys.executable} ended with exit code 3: line 89\n")
    assert error.endswith("line 98")


def test_killed_program_fails_with_128_plus_the_signal(execute: Execute) -> None:
    stop = without_stamps(execute(*python("import os; os.kill(os.getpid(), 9)")))[-1]
    assert stop == {
        "event_type": "session_stop",
        "exit_code": 137,
        "reason": "failed",
        "error": f"{sys.executable} was killed by SIGKILL",
    }


def test_huge_prompt_and_output_do_not_block_each_other(
    execute: Execute,
) -> None:
    source = (
        "import sys\n"
        "sys.stderr.write('e' * 1_000_000); sys.stdout.write('o' * 1_000_000)\n"
        "print(len(sys.stdin.read()))"
    )
    events = execute(*python(source), prompt="x" * 600_000)
    assert events[0]["shortened"] == {"content.0.text": 600_000}
    told = {event["event_type"]: text_of(event) for event in events[1:-1]}
    assert told == {"message": "o" * 1_000_000 + "600000\n", "stderr": "e" * 1_000_000}


def test_program_that_closes_stdin_early_completes(execute: Execute) -> None:
    events = execute(*python("import os; os.close(0); print('done')"), prompt="x" * 1_000_000)
    assert answer_of(events) == "done\n"
    assert events[-1]["reason"] == "completed"


def test_bytes_that_are_not_text_are_replaced(execute: Execute) -> None:
    source = r"import sys; sys.stdout.buffer.write(b'a\xff\x00b')"
    answer = execute(*python(source))[1]
    assert (text_of(answer), answer["sanitized"]) == ("a��b", True)


def test_unencodable_prompt_is_sent_with_replacements(execute: Execute) -> None:
    assert answer_of(execute("cat", prompt="a\ud800b")) == "a�b"


@each_row(
    ("command", "problem"),
    [
        (("no-such-program",), "no program 'no-such-program' in the directories of PATH: install"),
        (("./missing",), "no program './missing' (looked for in {here}): check its"),
        (("/missing/program",), "no program '/missing/program': check its path"),
        (("./plain",), "'./plain' (looked for in {here}) cannot be executed: try"),
        (("./garbage",), "the system cannot run its format"),
        (("./directory",), "is a directory and not a program"),
        (("./crlf",), "has Windows line endings (CRLF)"),
        (
            ("./no-interpreter",),
            "needs the interpreter '/missing/interpreter', which does not exist",
        ),
        (("./other-system",), "its loader does not exist"),
        (("./broken-link",), "is a link to nowhere, which does not exist"),
        (("./plain/below",), "cannot be started: Not a directory"),
        (("./being-written",), "another process is writing it"),
        (("./fine", "x" * 3_000_000), "its arguments and environment are too long"),
        (("./fine", "a\0b"), "cannot be started: embedded null byte"),
        ((), "needs a program"),
    ],
)
def test_promise_6_failed_start_is_an_error_after_the_prompt(
    tmp_path: Path, command: tuple[str, ...], problem: str
) -> None:
    (tmp_path / "plain").write_text("no program")
    other_system = Path(sys.executable).resolve().read_bytes()[:4096].replace(b"/ld-", b"/no-")
    for name, content in {
        "garbage": b"\x00\x01",
        "crlf": b"#!/bin/sh\r\necho hi\r\n",
        "no-interpreter": b"#!/missing/interpreter -x\n",
        "other-system": other_system.ljust(10_000_000, b"\0"),
        "being-written": b"#!/bin/sh\n",
        "fine": b"#!/bin/sh\n",
    }.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "directory").mkdir()
    (tmp_path / "broken-link").symlink_to("nowhere")

    async def act() -> tuple[list[Event], ExecutorError]:
        events = []
        with pytest.raises(ExecutorError) as caught:
            async for event in CommandExecutor(execution_of(tmp_path, *command)).run("hi"):
                events.append(event)
        return events, caught.value

    with (tmp_path / "being-written").open("ab"):
        events, error = run(act())
    assert [event["event_type"] for event in events] == ["message"]
    assert problem.format(here=tmp_path) in str(error)


def test_a_missing_project_directory_is_named(tmp_path: Path) -> None:
    async def act() -> None:
        async for _ in CommandExecutor(execution_of(tmp_path / "gone", "cat")).run("hi"):
            pass

    with pytest.raises(ExecutorError, match=f"{tmp_path}/gone does not exist"):
        run(act())


def test_executor_is_chosen_by_name(
    tmp_path: Path,
) -> None:
    assert isinstance(create_executor(execution_of(tmp_path, "cat")), CommandExecutor)
    spec = RunSpec(project_dir=tmp_path, executor="magic")
    unknown = Execution(session_id="s1", spec=spec)
    with pytest.raises(
        ExecutorError, match="unknown executor 'magic'; known executors: claude, codex, command"
    ):
        create_executor(unknown)

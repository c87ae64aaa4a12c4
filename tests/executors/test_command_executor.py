from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.base import Execution, ExecutorError, RunSpec
from agent_orchestrator.executors.command import CommandExecutor
from agent_orchestrator.machine.environment import RUN_MARKER
from agent_orchestrator.machine.processes import RunProcesses
from agent_orchestrator.runs.executor_table import create_executor
from tests.commands.shell import is_alive
from tests.support.beacon import Beacon, BlockingBeacon
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


def joined(events: list[Event]) -> list[Event]:
    """Join the parts of each message, which say what they continue (promise 8)."""
    firsts: dict[str, Event] = {}
    for event in events:
        first = firsts.get(str(event.pop("continues", None)))
        if first is None:
            firsts[event["event_id"]] = event
        else:
            assert first["event_type"] == event["event_type"]
            first["content"] = [{"type": "text", "text": text_of(first) + text_of(event)}]
            first.update({key: value for key, value in event.items() if key not in first})
    return [*firsts.values()]


def execution_of(project_dir: Path, *command: str, **environment: str) -> Execution:
    spec = RunSpec(executor="command", project_dir=project_dir, command=command)
    return Execution(session_id="s1", spec=spec, environment=environment)


def without_stamps(events: list[Event]) -> list[Event]:
    return [
        {key: value for key, value in event.items() if key not in ("event_id", "timestamp")}
        for event in events
    ]


def text_of(event: Event) -> str:
    (block,) = event["content"]
    assert block["type"] == "text"
    return str(block["text"])


def answer_of(events: list[Event]) -> str:
    """Return what the program wrote to stdout; what it wrote to stderr may come before or after."""
    (answer,) = [event for event in events if event.get("role") == "assistant"]
    return text_of(answer)


def python(source: str) -> list[str]:
    return [sys.executable, "-c", source]


def test_promises_1_3_5_prompt_answer_and_stop_in_this_order_with_ids_and_times(
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


def test_promise_2_the_prompt_is_told_before_the_program_has_ended(tmp_path: Path) -> None:
    async def act() -> str:
        async with Beacon.open() as beacon:
            executor = CommandExecutor(execution_of(tmp_path, *beacon.command()))
            async with aclosing(executor.run("hi")) as events:
                return text_of(await anext(events))

    assert run(act()) == "hi"


def test_the_program_runs_in_the_project_with_the_given_environment_only(
    execute: Execute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERITED", "1")
    source = "import os; print(os.getcwd(), sorted(os.environ))"
    events = execute(*python(source), GIVEN="1", LC_ALL="C.UTF-8")
    assert answer_of(events) == f"{tmp_path} {sorted(['GIVEN', 'LC_ALL', RUN_MARKER])}\n"


def test_a_program_without_output_answers_with_nothing(execute: Execute) -> None:
    assert answer_of(execute(*python(""))) == ""


def test_stderr_becomes_events_of_its_own(execute: Execute) -> None:
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


@pytest.mark.parametrize("how", ["cancelled", "killed", "ended"])
def test_output_is_kept_whatever_ends_the_run(tmp_path: Path, how: str) -> None:
    """The flush interval does not matter: nothing but the first part was due."""

    async def act() -> tuple[list[Event], bool]:
        async with Beacon.open() as beacon:
            lingering = f"{shlex.join(beacon.command())} 2>/dev/null"
            commands = f"echo one; echo two; echo three >&2; printf four; {lingering}; kill -9 $$"
            executor = CommandExecutor(
                execution_of(tmp_path, "sh", "-c", commands), flush_seconds=float("inf")
            )
            events: list[Event] = []

            async def collect() -> None:
                async for event in executor.run("hi"):
                    events.append(event)

            collecting = asyncio.create_task(collect())
            arrival = await beacon.arrival()
            if how == "cancelled":
                collecting.cancel()
            elif how == "killed":
                psutil.Process(psutil.Process(arrival.pid).ppid()).kill()
            else:
                os.kill(arrival.pid, signal.SIGKILL)
            await asyncio.wait([collecting])
            return events, collecting.cancelled()

    events, is_cancelled = run(act())
    told = {event["event_type"]: text_of(event) for event in joined(events) if "content" in event}
    assert told == {"message": "one\ntwo\nfour", "stderr": "three\n"}
    assert is_cancelled is (how == "cancelled")
    assert is_cancelled or events[-1]["event_type"] == "session_stop"


def test_output_is_kept_of_a_run_that_is_cancelled_while_it_starts(tmp_path: Path) -> None:
    """Cancel after more and more turns of the loop; the program has written in most."""

    async def act(turns: int) -> tuple[bool, list[Event]]:
        environment = {RUN_MARKER: uuid4().hex}
        events: list[Event] = []
        with BlockingBeacon.open() as beacon:
            command = f"echo one; echo two >&2; {shlex.join(beacon.command())} 2>/dev/null"
            execution = execution_of(tmp_path, "sh", "-c", command, **environment)

            async def collect() -> None:
                async for event in CommandExecutor(execution).run("hi"):
                    events.append(event)

            collecting = asyncio.create_task(collect())
            for _ in range(turns):
                await asyncio.sleep(0)
            processes = RunProcesses(None, environment[RUN_MARKER])
            if has_written := bool(processes.find()):
                beacon.meet(1)
            collecting.cancel()
            await asyncio.wait({collecting})
            assert collecting.cancelled()
            assert processes.find() == set(), turns
        return has_written, events[1:]

    expected = [("message", "one\n"), ("stderr", "two\n")]
    told: list[list[tuple[str, str]]] = []
    for turns in range(0, 18, 3):  # a start takes about twelve
        has_written, events = run(act(turns))
        if has_written:
            # Two pipes: which of them is read first is open.
            told.append(sorted((e["event_type"], text_of(e)) for e in joined(events)))
    assert told == [expected] * len(told)
    assert len(told) > 3


def test_a_non_zero_exit_is_a_failure_with_the_last_lines_of_stderr(execute: Execute) -> None:
    source = "import sys; print('partial'); [print('line', n, file=sys.stderr) for n in range(99)]"
    events = execute(*python(f"{source}; sys.exit(3)"))
    assert answer_of(events) == "partial\n"
    stop = without_stamps(events)[-1]
    error = stop.pop("error")
    assert stop == {"event_type": "session_stop", "exit_code": 3, "reason": "failed"}
    assert error.startswith(f"{sys.executable} ended with exit code 3: line 89\n")
    assert error.endswith("line 98")


def test_a_program_killed_by_a_signal_fails_as_a_shell_tells_it(execute: Execute) -> None:
    stop = without_stamps(execute(*python("import os; os.kill(os.getpid(), 9)")))[-1]
    assert stop == {
        "event_type": "session_stop",
        "exit_code": 137,
        "reason": "failed",
        "error": f"{sys.executable} was killed by SIGKILL",
    }


def test_huge_prompt_and_huge_output_on_both_pipes_do_not_block_each_other(
    execute: Execute,
) -> None:
    source = (
        "import sys\n"
        "sys.stderr.write('e' * 3_000_000); sys.stdout.write('o' * 3_000_000)\n"
        "print(len(sys.stdin.read()))"
    )
    events = execute(*python(source), prompt="x" * 1_000_000)
    assert events[0]["shortened"] == {"content.0.text": 1_000_000}
    told = {event["event_type"]: text_of(event) for event in events[1:-1]}
    assert told == {"message": "o" * 3_000_000 + "1000000\n", "stderr": "e" * 3_000_000}


def test_a_program_that_closes_stdin_early_is_fine(execute: Execute) -> None:
    events = execute(*python("import os; os.close(0); print('done')"), prompt="x" * 1_000_000)
    assert answer_of(events) == "done\n"
    assert events[-1]["reason"] == "completed"


def test_bytes_that_are_no_text_are_replaced(execute: Execute) -> None:
    source = r"import sys; sys.stdout.buffer.write(b'a\xff\x00b')"
    answer = execute(*python(source))[1]
    assert (text_of(answer), answer["sanitized"]) == ("a��b", True)


def test_busy_background_children_do_not_keep_the_run(tmp_path: Path) -> None:
    execution = execution_of(tmp_path, "sh", "-c", "yes & echo $!")
    executor = CommandExecutor(execution, pipe_grace_seconds=0)

    async def act() -> list[Event]:
        return joined([event async for event in executor.run("hi")])

    events = run(act())
    assert events[-1]["reason"] == "completed"
    pid = next(int(line) for line in answer_of(events).splitlines() if line.isdigit())
    assert not is_alive(pid)


def test_a_prompt_that_cannot_be_encoded_reaches_the_program_replaced(execute: Execute) -> None:
    assert answer_of(execute("cat", prompt="a\ud800b")) == "a�b"


def test_background_children_that_hold_the_output_are_stopped_after_the_program_has_ended(
    tmp_path: Path,
) -> None:
    async def act() -> tuple[list[Event], bool]:
        async with Beacon.open() as beacon:
            execution = execution_of(tmp_path, *beacon.command("detached"))
            executor = CommandExecutor(execution, pipe_grace_seconds=0)
            events = [event async for event in executor.run("hi")]
            child = await beacon.arrival()
            await child.gone()
            return events, child.is_gone

    events, is_gone = run(act())
    assert (events[-1]["reason"], is_gone) == ("completed", True)


def test_background_children_that_hold_nothing_are_left_alone(tmp_path: Path) -> None:
    async def act() -> bool:
        async with Beacon.open() as beacon:
            command = " ".join(beacon.command())
            execution = execution_of(
                tmp_path, "sh", "-c", f"{command} >/dev/null 2>&1 </dev/null &"
            )
            [event async for event in CommandExecutor(execution).run("hi")]
            return (await beacon.arrival()).is_gone

    assert run(act()) is False


@pytest.mark.parametrize(
    ("kind", "count"), [("session", 1), ("stubborn", 1), ("parent", 2), ("detached", 2)]
)
def test_promise_7_ending_early_leaves_no_process(tmp_path: Path, kind: str, count: int) -> None:
    async def act() -> bool:
        async with Beacon.open() as beacon:
            command = " ".join(beacon.command(kind))
            execution = execution_of(
                tmp_path, "sh", "-c", f"{command} & wait; {' '.join(beacon.command())}"
            )
            executor = CommandExecutor(execution)

            async def collect() -> None:
                async for _ in executor.run("hi"):
                    pass

            collecting = asyncio.create_task(collect())
            arrivals = [await beacon.arrival() for _ in range(count)]
            collecting.cancel()
            await asyncio.wait([collecting])
            for arrival in arrivals:
                await arrival.gone()
            return collecting.cancelled()

    assert run(act()) is True  # a stubborn one costs the whole ladder


@each_row(
    ("command", "problem"),
    [
        (("no-such-program",), "no program 'no-such-program' in the directories of PATH: install"),
        (("./missing",), "no program './missing' (looked for in {here}): check its"),
        (("/missing/program",), "no program '/missing/program': check its path"),
        (("./plain",), "'./plain' (looked for in {here}) cannot be executed: try"),
        (("./garbage",), "the system cannot run its format"),
        (("./directory",), "is a directory and not a program"),
        (("./crlf",), "has Windows line ends (CRLF)"),
        (("./no-interpreter",), "needs the interpreter '/missing/interpreter', which is not there"),
        (("./other-system",), "its loader is not there"),
        (("./broken-link",), "is a link to nowhere, which is not there"),
        (("./plain/below",), "cannot be started: Not a directory"),
        (("./being-written",), "another process is writing it"),
        (("./fine", "x" * 3_000_000), "its arguments and environment are too long"),
        (("./fine", "a\0b"), "cannot be started: embedded null byte"),
        ((), "needs a program"),
    ],
)
def test_promise_6_what_cannot_be_started_is_an_error_after_the_prompt(
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


def test_an_executor_is_chosen_by_name_and_an_unknown_name_lists_the_known(
    tmp_path: Path,
) -> None:
    assert isinstance(create_executor(execution_of(tmp_path, "cat")), CommandExecutor)
    spec = RunSpec(project_dir=tmp_path, executor="codex")
    unknown = Execution(session_id="s1", spec=spec)
    with pytest.raises(ExecutorError, match="no executor 'codex'; there are: claude, command"):
        create_executor(unknown)

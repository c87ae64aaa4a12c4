from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from agent_orchestrator.machine.environment import RUN_MARKER
from agent_orchestrator.machine.processes import (
    Child,
    Grace,
    RunProcesses,
    has_ended,
    shell_exit_code,
    signal_name,
)
from tests.support.beacon import Beacon, BlockingBeacon
from tests.support.loops import run
from tests.support.waiting import wait_for

HERE = Path.cwd()
PATIENT = Grace(interrupt_seconds=60, terminate_seconds=60, kill_seconds=60)
"""For children that react to signals, however long they take."""
IMPATIENT = Grace(interrupt_seconds=0, terminate_seconds=0, kill_seconds=60)
"""For children that do not react to signals."""


async def start(beacon: Beacon, *kinds: str) -> Child:
    return await Child.start(beacon.command(*kinds), environment={}, directory=HERE)


def test_child_gets_only_the_given_environment_and_the_marker(
    tmp_path: Path,
) -> None:
    program = "import json, os; print(json.dumps([dict(os.environ), os.getsid(0), os.getcwd()]))"

    async def act() -> tuple[int, bytes]:
        child = await Child.start(
            [sys.executable, "-c", program],
            environment={"LC_ALL": "C.UTF-8", "GIVEN": "ä"},
            directory=tmp_path,
        )
        output = await child.stdout.read()
        await child.wait()
        child.close()
        return child.pid, output

    pid, output = run(act())
    environment, session, directory = json.loads(output)
    assert len(environment.pop(RUN_MARKER)) == 32
    assert environment == {"LC_ALL": "C.UTF-8", "GIVEN": "ä"}
    assert (session, directory) == (pid, str(tmp_path))


def test_wait_ends_with_the_program_even_if_pipes_stay_open() -> None:
    async def act() -> tuple[int, bool]:
        async with Beacon.open() as beacon:
            child = await start(beacon, "detached")
            heir = await beacon.arrival()
            exit_code = await child.wait()
            was_left = not heir.is_gone
            await child.stop(PATIENT)
            await heir.gone()
            child.close()
            return exit_code, was_left

    assert run(act()) == (0, True)


@pytest.mark.parametrize(
    ("kind", "patience", "exit_code"),
    [("polite", PATIENT, 0), ("stubborn", IMPATIENT, -signal.SIGKILL)],
)
def test_stop_interrupts_first_and_kills_a_stubborn_program(
    kind: str, patience: Grace, exit_code: int
) -> None:
    async def act() -> int | None:
        async with Beacon.open() as beacon:
            child = await start(beacon, kind)
            await beacon.arrival()
            await child.stop(patience)
            child.close()
            return child.exit_code

    assert run(act()) == exit_code


@pytest.mark.parametrize("kind", ["parent", "scrubbing"])
def test_stop_reaches_children_in_other_process_sessions(kind: str) -> None:
    async def act() -> set[psutil.Process]:
        async with Beacon.open() as beacon:
            child = await start(beacon, kind)
            arrivals = [await beacon.arrival(), await beacon.arrival()]
            await child.stop(IMPATIENT)
            for arrival in arrivals:
                await arrival.gone()
            child.close()
            return child.processes.find()

    assert run(act()) == set()


def test_stop_reaches_a_detached_process_without_parent() -> None:
    async def act() -> tuple[int, int]:
        async with Beacon.open() as beacon:
            child = await start(beacon, "detached")
            orphan = await beacon.arrival()
            await child.wait()
            parent = psutil.Process(orphan.pid).ppid()
            await child.stop(IMPATIENT)
            await orphan.gone()
            child.close()
            return child.pid, parent

    pid, parent = run(act())
    assert parent not in (pid, os.getpid())


def test_stop_also_ends_processes_started_during_the_stop() -> None:
    async def act() -> set[psutil.Process]:
        async with Beacon.open() as beacon:
            child = await start(beacon, "stubborn", "hydra")
            await beacon.arrival()
            await child.stop(Grace(interrupt_seconds=0, terminate_seconds=0.2, kill_seconds=60))
            child.close()
            return child.processes.find()

    assert run(act()) == set()


def test_stop_leaves_another_run_of_the_same_program_alone() -> None:
    async def act() -> tuple[int | None, bool]:
        async with Beacon.open() as beacon:
            mine, other = await start(beacon, "polite"), await start(beacon, "detached")
            arrivals = [await beacon.arrival(), await beacon.arrival()]
            await mine.stop(PATIENT)
            bystander = next(arrival for arrival in arrivals if arrival.pid != mine.pid)
            was_left = not bystander.is_gone and psutil.pid_exists(bystander.pid)
            await other.stop(IMPATIENT)
            mine.close()
            other.close()
            return mine.exit_code, was_left

    assert run(act()) == (0, True)


def test_a_cancelled_stop_finishes_first() -> None:
    async def act() -> tuple[bool, set[psutil.Process]]:
        async with Beacon.open() as beacon:
            child = await start(beacon, "stubborn", "parent")
            arrivals = [await beacon.arrival(), await beacon.arrival()]
            stopping = asyncio.create_task(child.processes.stop(IMPATIENT))
            await asyncio.wait([stopping], timeout=0)
            stopping.cancel()
            await asyncio.wait([stopping])
            for arrival in arrivals:
                await arrival.gone()
            await child.wait()
            child.close()
            return stopping.cancelled(), child.processes.find()

    assert run(act()) == (True, set())


def test_cancelled_start_leaves_no_process() -> None:
    """Cancels in each event-loop turn of a start; in most of them the program runs already."""

    async def act(turns: int) -> tuple[bool, bool]:
        token = uuid4().hex
        found = RunProcesses(None, token)
        with BlockingBeacon.open() as beacon:
            starting = asyncio.ensure_future(
                Child.start(
                    beacon.command("parent"), environment={RUN_MARKER: token}, directory=HERE
                )
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            if is_running := bool(found.find()):
                beacon.meet(2)
            starting.cancel()
            await asyncio.wait({starting})
            if not starting.cancelled():
                await starting.result().stop(IMPATIENT)
                starting.result().close()
            assert found.find() == set(), turns
        return is_running, starting.cancelled()

    seen: list[tuple[bool, bool]] = []
    while not seen or seen[-1][1]:
        seen.append(run(act(len(seen))))
    assert (True, True) in seen


def test_stopping_a_run_that_has_ended_does_nothing() -> None:
    async def act() -> int | None:
        child = await Child.start([sys.executable, "-c", ""], environment={}, directory=HERE)
        await child.wait()
        await child.stop()
        await child.stop()
        child.close()
        return child.exit_code

    assert run(act()) == 0


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not show it")


@on_linux
@pytest.mark.parametrize("is_spared", [False, True])
def test_process_started_during_a_search_is_found(
    monkeypatch: pytest.MonkeyPatch, is_spared: bool
) -> None:
    """Unless it is a supervisor that has registered by then."""
    marker = {RUN_MARKER: uuid4().hex}
    started: list[subprocess.Popen[bytes]] = []
    pids = psutil.pids

    def pids_before_a_start() -> list[int]:
        listed = pids()
        started.append(subprocess.Popen(["sleep", "600"], env=marker))
        return listed

    monkeypatch.setattr(psutil, "pids", pids_before_a_start)
    try:
        spared = (lambda: frozenset(each.pid for each in started)) if is_spared else None
        found = RunProcesses(None, marker[RUN_MARKER], spared).find()
    finally:
        for process in started:
            process.kill()
            process.wait()
    own = [] if is_spared else started
    assert [process.pid for process in found] == [process.pid for process in own]


@on_linux
def test_process_that_begins_its_program_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment and its arguments are empty for a moment."""
    marker = {RUN_MARKER: uuid4().hex}
    beginning = [True, True]  # at each of the first searches
    environ, cmdline = psutil.Process.environ, psutil.Process.cmdline
    with subprocess.Popen(["sleep", "600"], env=marker) as program:

        def environ_of(process: psutil.Process) -> dict[str, str]:
            return {} if process.pid == program.pid and beginning else environ(process)

        def cmdline_of(process: psutil.Process) -> list[str]:
            return [] if process.pid == program.pid and beginning.pop() else cmdline(process)

        monkeypatch.setattr(psutil.Process, "environ", environ_of)
        monkeypatch.setattr(psutil.Process, "cmdline", cmdline_of)
        run(RunProcesses(None, marker[RUN_MARKER]).stop(IMPATIENT))
        is_alive = program.poll() is None
        program.kill()
    assert not is_alive


def test_spared_process_and_its_children_belong_to_no_run() -> None:
    """As the supervisor and the agent of a session that this run has started."""
    nested = "sh -c 'tail -f /dev/null & echo leaf $!; wait' & echo inner $!; wait"
    with subprocess.Popen(["sh", "-c", nested], stdout=subprocess.PIPE, text=True) as outer:
        assert outer.stdout is not None
        pids = dict(outer.stdout.readline().split() for _ in range(2))
        inner, leaf = int(pids["inner"]), int(pids["leaf"])
        program = psutil.Process(outer.pid)
        all_of_it = RunProcesses(program, "no marker").find()
        with_spared = RunProcesses(program, "no marker", lambda: frozenset({inner})).find()
        for pid in (outer.pid, inner, leaf):  # a shell ends only after its child
            os.kill(pid, signal.SIGKILL)
    assert {process.pid for process in all_of_it} == {outer.pid, inner, leaf}
    assert with_spared == {program}


def test_reused_pid_is_not_a_process_of_the_run() -> None:
    async def act() -> tuple[set[psutil.Process], int | None]:
        async with Beacon.open() as beacon:
            child = await start(beacon, "polite")
            await beacon.arrival()
            earlier = psutil.Process(child.pid)
            earlier._ident = (child.pid, 1.0)  # type: ignore[attr-defined]  # as if reused
            found = RunProcesses(earlier, "no process has this token").find()
            await child.stop(PATIENT)
            child.close()
            return found, child.exit_code

    assert run(act()) == (set(), 0)


def test_exit_codes_and_signals_are_reported_as_by_a_shell() -> None:
    assert [shell_exit_code(code) for code in (0, 3, -9)] == [0, 3, 137]
    assert [signal_name(number) for number in (9, 15, 40)] == ["SIGKILL", "SIGTERM", "signal 40"]


WITHOUT_FIRST_THREAD = """
import ctypes, threading
threading.Thread(target=threading.Event().wait).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@on_linux
def test_process_runs_on_after_the_end_of_its_first_thread() -> None:
    with subprocess.Popen([sys.executable, "-c", WITHOUT_FIRST_THREAD]) as program:
        process = psutil.Process(program.pid)
        wait_for(lambda: process.status() == psutil.STATUS_ZOMBIE, "its first thread has ended")
        processes = RunProcesses(process, "token of no process")
        assert processes.find() == {process}
        assert not has_ended(process)
        run(processes.stop(IMPATIENT))
        assert has_ended(process)
        assert program.wait() == -signal.SIGTERM

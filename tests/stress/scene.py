"""The scene of a campaign: a manager, a project, a shell in it, and its runs."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from uuid import uuid4

import psutil

from agent_orchestrator.client.manager import Json, ManagerClient
from agent_orchestrator.executors.base import RunSpec
from agent_orchestrator.machine.processes import RunProcesses
from agent_orchestrator.runs.assignment import Assignment
from agent_orchestrator.runs.registry import RegisteredRun, list_registered
from agent_session_manager.settings import MIN_LEASE_SECONDS
from tests.commands.shell import Ended, Shell, is_alive
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

SHORT_LEASE_SECONDS = MIN_LEASE_SECONDS
TICK_SECONDS = 1.0
SLACK_SECONDS = 1.5
"""What a machine that has much to do may add to a figure."""
FAMILY = str(Path(__file__).with_name("family.py"))
LINES = str(Path(__file__).with_name("lines.py"))


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """A supervisor that a test has started itself, from its first breath on.

    It goes on in a child of what was started, in the same process group. Nobody else is in that
    group, and nobody else holds the other end of `lifeline`.
    """

    started: subprocess.Popen[bytes]
    lifeline: int

    def kill(self) -> None:
        os.killpg(self.started.pid, signal.SIGKILL)

    def wait(self, seconds: float = WATCHDOG_SECONDS) -> None:
        """Wait until it is gone, by a kill or at its end."""
        poll = select.poll()
        poll.register(self.lifeline, select.POLLIN)
        assert poll.poll(seconds * 1000), "the supervisor goes on"
        os.close(self.lifeline)
        self.started.wait(seconds)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Open while the block of `opened` lasts; it leaves no process behind."""

    directory: Path
    manager: RunningManager
    project: Path
    shell: Shell
    records: ManagerClient
    lease_seconds: float

    @property
    def state_dir(self) -> Path:
        return self.manager.state_dir

    def session(self, name: str) -> Json:
        (found,) = self.records.find_sessions(session_name=name)
        return found

    def start(self, name: str, *program: str, options: tuple[str, ...] = ()) -> Json:
        """Start a session with a program as its agent, and let it run."""
        arguments = (name, "-p", "hi", "-d", *options, "--executor", "command", "--", *program)
        ended = self.shell.run("ao-new", *arguments)
        assert ended.exit_code == 0, ended
        return self.records.get_session(ended.stdout.strip())

    def family(self, name: str, *kinds: str) -> list[str]:
        """A program that writes the pids of itself and of its children to the file of its name."""
        return [sys.executable, "-S", FAMILY, str(self.pids(name)), *kinds]

    def pids(self, name: str) -> Path:
        return self.directory / f"{name}.pids"

    def await_pids(self, name: str, count: int = 1) -> list[int]:
        """The pids that a program has written, once there are so many."""
        return wait_for(lambda: pids_in(self.pids(name), count), f"{name} runs")

    def registration(self, session_id: str) -> RegisteredRun | None:
        """What the supervisor of a session's newest run says of itself, dead or alive."""
        entries = [e for e in list_registered(self.state_dir) if e.run.session_id == session_id]
        return max((entry.run for entry in entries), key=lambda run: run.run, default=None)

    def await_supervisor(self, session_id: str) -> RegisteredRun:
        return wait_for(lambda: self.registration(session_id), "it is supervised")

    def await_end(self, session_id: str, *, seconds: float = WATCHDOG_SECONDS) -> Json:
        def ended() -> Json | None:
            session = self.records.get_session(session_id)
            return session if session["status"] == "finished" else None

        return wait_for(ended, f"{session_id} ends", seconds=seconds, every=0.05)

    def await_reason(self, session_id: str, reason: str | None) -> Json:
        """The session, once its newest run has this reason; None is that of a run that goes on."""

        def found() -> Json | None:
            session = self.records.get_session(session_id)
            return session if session["reason"] == reason else None

        return wait_for(found, f"{session_id} is {reason}", every=0.05)

    def events(self, session_id: str, run: int = 1) -> list[Json]:
        """The events of one run, in order; all seqs of the session are checked on the way."""
        events = list(self.records.iterate_events(session_id))
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert len({event["event_id"] for event in events}) == len(events)
        return [event for event in events if event["run"] == run]

    def kinds(self, session_id: str) -> list[str]:
        """The types of its events, once where one follows another: output comes in parts."""
        return [kind for kind, _ in groupby(e["event_type"] for e in self.events(session_id))]

    def create(self, name: str, program: list[str]) -> Assignment:
        """Create a session and its leased run, as `ao-new` does, and return what is to be done."""
        session_id, holder = str(uuid4()), str(uuid4())
        session, tokens = self.records.create_named_session(
            session_id, name, project_dir=str(self.project), executor="command", holder=holder
        )
        return Assignment(
            run_token=tokens.run,
            agent_token=tokens.agent,
            url=self.manager.url,
            session_id=session_id,
            session_name=name,
            run=session["run"],
            holder=holder,
            term_seconds=self.lease_seconds,
            prompt="hi",
            spec=RunSpec(executor="command", project_dir=self.project, command=tuple(program)),
            environment=self.shell.environment,
        )

    def supervise_lines(self, assignment: Assignment) -> Supervision:
        """Supervise a run whose every line is an event; see `lines.py`."""
        lifeline, held = os.pipe()
        with (self.directory / "lines.log").open("ab") as log, os.fdopen(held, "wb"):
            started = subprocess.Popen(
                [sys.executable, LINES, str(self.journal(assignment.session_id))],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self.shell.environment,
                cwd=self.project,
                start_new_session=True,
                pass_fds=(held,),
            )
        assert started.stdin is not None  # it is a pipe
        started.stdin.write(assignment.to_json().encode())
        started.stdin.close()
        return Supervision(started=started, lifeline=lifeline)

    def journal(self, session_id: str) -> Path:
        """Where a supervised line is written down once the outbox has it."""
        return self.directory / f"{session_id}.journal"

    def remaining(self, name: str, marker: str | None) -> list[int]:
        """The pids of a run that live: those with its marker, and those its program wrote down."""
        marked = RunProcesses(None, marker).find() if marker else ()
        written = [pid for pid in pids_in(self.pids(name), 0) or [] if is_alive(pid)]
        return sorted({*written, *(process.pid for process in marked)})


def pids_in(path: Path, count: int = 1) -> list[int] | None:
    lines = path.read_text().splitlines() if path.exists() else []
    return [int(line) for line in lines] if len(lines) >= count else None


@contextmanager
def opened(directory: Path, *, lease_seconds: float) -> Iterator[Scene]:
    """Set the scene, and clear it of every process that is left.

    The token is looked for where the environment says that our state is.
    """
    lease = {"AGENT_ORCHESTRATOR_LEASE_SECONDS": str(lease_seconds)}
    manager = RunningManager(directory / "manager", variables=lease, moves_time=True)
    project = directory / "project"
    project.mkdir()
    shell = Shell(directory=project, environment=manager.environment())
    try:
        with ManagerClient(manager.url) as records:
            yield Scene(
                directory=directory,
                manager=manager,
                project=project,
                shell=shell,
                records=records,
                lease_seconds=lease_seconds,
            )
    finally:
        shell.close()
        manager.kill()
        _clear(manager.state_dir, directory)


def _clear(state_dir: Path, directory: Path) -> None:
    """Kill the supervisors that are left, and what their runs have left."""
    for entry in list_registered(state_dir):
        if entry.is_supervised:
            kill(entry.run.pid)
        for process in RunProcesses(None, entry.run.marker).find():
            kill(process.pid)
    for path in directory.glob("*.pids"):
        for pid in pids_in(path, 0) or []:
            if is_ours(pid):
                kill(pid)


def is_ours(pid: int) -> bool:
    """Whether this is a program of ours, and not somebody who got its pid after it."""
    try:
        return FAMILY in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def kill(pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).kill()


def timed(work: Callable[[], Ended]) -> tuple[float, Ended]:
    begin = time.perf_counter()
    ended = work()
    return time.perf_counter() - begin, ended

"""The scene of a campaign: a manager, a project, a shell in the project, and runs."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from agent_orchestrator.client.manager import Json, ManagerClient
from agent_orchestrator.executors.base import RunSpec
from agent_orchestrator.machine.processes import RunProcesses
from agent_orchestrator.runs.assignment import Assignment
from agent_orchestrator.runs.registry import RegisteredRun, list_registered
from agent_shared.manager_settings import MIN_LEASE_SECONDS
from tests.commands.processes import is_alive, kill
from tests.commands.shell import Ended, Shell
from tests.stress.journalled import supervise
from tests.support.forking import forking
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

SHORT_LEASE_SECONDS = MIN_LEASE_SECONDS
TICK_SECONDS = 1.0
SLACK_SECONDS = 1.5
"""Tolerance for a busy machine, added to limits."""
FAMILY = str(Path(__file__).with_name("family.py"))


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """A supervisor that a test started directly, so that it can be killed during its startup.

    The started process forks, and the supervisor continues in the child, in the same process group.
    The group has no other member. Only the supervisor holds the other end of `lifeline`.
    """

    started: ForkServerProcess
    lifeline: Connection

    def kill(self) -> None:
        """Kill the supervisor, unless it has ended: its run may end just before the kill."""
        assert self.started.pid is not None  # it was started
        with suppress(ProcessLookupError):
            os.killpg(self.started.pid, signal.SIGKILL)

    def has_ended(self) -> bool:
        """Return whether the supervisor has ended already."""
        return self.lifeline.poll(0)

    def wait(self, seconds: float = WATCHDOG_SECONDS) -> None:
        """Wait until the supervisor has ended."""
        assert self.lifeline.poll(seconds), "the supervisor is still running"
        self.lifeline.close()
        self.started.join(seconds)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A manager, a project and their runs; `opened` leaves no process behind."""

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
        """Start a detached session whose agent is a program."""
        arguments = (name, "-p", "hi", "-d", *options, "--executor", "command", "--", *program)
        ended = self.shell.run("ao-new", *arguments)
        assert ended.exit_code == 0, ended
        return self.records.get_session(ended.stdout.strip())

    def family(self, name: str, *kinds: str) -> list[str]:
        """Return a command that writes its pid and its children's to the file `pids(name)`."""
        return [sys.executable, "-S", FAMILY, str(self.pids(name)), *kinds]

    def pids(self, name: str) -> Path:
        return self.directory / f"{name}.pids"

    def await_pids(self, name: str, count: int = 1) -> list[int]:
        """Wait until a program has written at least `count` pids; return them."""
        return wait_for(lambda: pids_in(self.pids(name), count), f"{name} runs")

    def registration(self, session_id: str) -> RegisteredRun | None:
        """Return the registration of the supervisor of the newest run, also if it is dead."""
        entries = [e for e in list_registered(self.state_dir) if e.run.session_id == session_id]
        return max((entry.run for entry in entries), key=lambda run: run.run, default=None)

    def await_supervisor(self, session_id: str) -> RegisteredRun:
        return wait_for(lambda: self.registration(session_id), "the run is registered")

    def await_end(self, session_id: str, *, seconds: float = WATCHDOG_SECONDS) -> Json:
        def ended() -> Json | None:
            session = self.records.get_session(session_id)
            return session if session["status"] == "finished" else None

        return wait_for(ended, f"{session_id} ends", seconds=seconds, every=0.05)

    def await_loss(self, session_id: str) -> Json:
        """Wait until a run whose supervisor is silent is lost; return the session.

        Time passes for the manager at once: no other run may be open.
        """
        self.manager.time.let_pass(self.lease_seconds + TICK_SECONDS)
        return self.await_reason(session_id, "lost")

    def await_reason(self, session_id: str, reason: str | None) -> Json:
        """Wait until the newest run has this reason, or None for open; return the session."""

        def found() -> Json | None:
            session = self.records.get_session(session_id)
            return session if session["reason"] == reason else None

        return wait_for(found, f"{session_id} is {reason}", every=0.05)

    def events(self, session_id: str, run: int = 1) -> list[Json]:
        """Return the events of one run, in order; also check all seqs of the session."""
        events = list(self.records.iterate_events(session_id))
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert len({event["event_id"] for event in events}) == len(events)
        return [event for event in events if event["run"] == run]

    def kept_events(self, session_id: str) -> list[Json]:
        """Return the events of the first run; check that each one of the outbox is there once."""
        had, events = self.journal(session_id), self.events(session_id)
        # Another command records the end of a run whose supervisor has died.
        own = [e for e in events if e["event_id"] in had or e.get("reason") != "lost"]
        recorded = [event["event_id"] for event in own]
        # The kill may be after the outbox has the last event and before the journal has it.
        assert recorded[: len(had)] == had and len(recorded) <= len(had) + 1, (had, recorded)
        return own

    def kinds(self, session_id: str) -> list[str]:
        """Return the event types in order; repeats are joined, as output arrives in parts."""
        return [kind for kind, _ in groupby(e["event_type"] for e in self.events(session_id))]

    def create(
        self, name: str, program: Sequence[str] = (), *, prompt: str = "hi", **spec: Any
    ) -> Assignment:
        """Create a session and its leased run, as `ao-new` does; return the assignment.

        The run is one of `program`, unless `spec` names another executor.
        """
        session_id, holder = str(uuid4()), str(uuid4())
        spec = {"executor": "command", "command": tuple(program), **spec}
        session, tokens, _ = self.records.create_named_session(
            session_id,
            name,
            project_dir=str(self.project),
            executor=spec["executor"],
            holder=holder,
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
            prompt=prompt,
            spec=RunSpec(project_dir=self.project, **spec),
            environment=self.shell.environment,
        )

    def supervise(self, assignment: Assignment) -> Supervision:
        """Start a supervisor that journals its events; of a program, each line is an event."""
        lifeline, held = forking().Pipe(duplex=False)
        journal, log = self._journal(assignment.session_id), self.directory / "supervisors.log"
        started = forking().Process(target=supervise, args=(held, assignment, journal, log))
        started.start()
        held.close()
        assert lifeline.recv() == "ready"
        return Supervision(started=started, lifeline=lifeline)

    def journal(self, session_id: str) -> list[str]:
        """Return the ids of all events that the outbox of a supervised run has had, in order."""
        path = self._journal(session_id)
        return path.read_text().split() if path.exists() else []

    def _journal(self, session_id: str) -> Path:
        return self.directory / f"{session_id}.journal"

    def remaining(self, name: str, marker: str | None) -> list[int]:
        """Return the pids of live processes of a run: with its marker, or from its pid file."""
        marked = RunProcesses(None, marker).find() if marker else ()
        written = [pid for pid in pids_in(self.pids(name), 0) or [] if is_alive(pid)]
        return sorted({*written, *(process.pid for process in marked)})


def pids_in(path: Path, count: int = 1) -> list[int] | None:
    lines = path.read_text().splitlines() if path.exists() else []
    return [int(line) for line in lines] if len(lines) >= count else None


@contextmanager
def opened(directory: Path, *, lease_seconds: float) -> Iterator[Scene]:
    """Open a scene; at the end, kill every process that is left."""
    lease = {"AGENT_ORCHESTRATOR_LEASE_SECONDS": str(lease_seconds)}
    manager = RunningManager(directory / "manager", variables=lease, moves_time=True)
    project = directory / "project"
    project.mkdir()
    shell = Shell(directory=project, environment=manager.environment())
    try:
        with ManagerClient(manager.url, run_token=manager.token, is_configured=True) as records:
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
    """Kill the remaining supervisors and the remaining processes of their runs."""
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
    """Return whether this pid still belongs to `family.py`; a pid may have been reused."""
    try:
        return FAMILY in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def timed(work: Callable[[], Ended]) -> tuple[float, Ended]:
    begin = time.perf_counter()
    ended = work()
    return time.perf_counter() - begin, ended

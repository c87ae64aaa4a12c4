"""A supervisor under test, which a campaign kills: it journals each event that its outbox has.

It is the real supervisor, except for the executor of programs: here each line is an event, where
the real one makes three events. A test reads the journal after a kill, and so knows which events
may not be lost.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import AsyncGenerator
from multiprocessing.connection import Connection
from pathlib import Path

from agent_orchestrator.events.event import Event
from agent_orchestrator.events.prepare import create_event, text_content
from agent_orchestrator.executors.base import Execution, ExecutorError
from agent_orchestrator.machine.processes import Child
from agent_orchestrator.outbox.outbox import EVENT, Item, Outbox, Run
from agent_orchestrator.runs.assignment import Assignment
from agent_orchestrator.runs.supervision import one_run, supervisor
from tests.support.forking import live_in, write_to
from tests.support.replacing import replace_in


class LinesExecutor:
    """Runs the program of a spec; the n-th line of its output is the n-th event of the run."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    async def run(self, prompt: str) -> AsyncGenerator[Event, None]:
        child = await Child.start(
            self._execution.spec.command,
            environment=self._execution.environment,
            directory=self._execution.spec.project_dir,
            spared=self._execution.spared,
        )
        try:
            while line := await child.stdout.readline():
                yield create_event("message", role="assistant", content=text_content(line.decode()))
            exit_code = await child.wait()
        finally:
            await child.stop()
            child.close()
        yield create_event("session_stop", exit_code=exit_code, reason="completed")

    async def send(self, text: str, message_id: str, *, may_wait: bool = True) -> bool:
        raise ExecutorError("this executor accepts no messages")


class JournalledOutbox(Outbox):
    """An outbox that writes the id of each event to a journal, once the event is on the disk."""

    def __init__(self, path: Path, run: Run, journal: Path) -> None:
        super().__init__(path, run)
        self._journal = journal.open("a", buffering=1)

    def add(self, item: Item, kind: str = EVENT) -> None:
        super().add(item, kind)
        if kind == EVENT:
            self._journal.write(f"{item['event_id']}\n")

    def close(self) -> None:
        super().close()
        self._journal.close()


def supervise(lifeline: Connection, assignment: Assignment, journal: Path, log: Path) -> None:
    """Supervise a run in this forked process; send `ready` when it has its own process group.

    Until its end the supervisor holds the lifeline open.
    """
    os.setsid()
    write_to(log)
    live_in(assignment.environment)
    os.chdir(assignment.spec.project_dir)
    sys.stdin = io.StringIO(assignment.to_json())
    replace_in(supervisor, Outbox=lambda path, run: JournalledOutbox(path, run, journal))
    if assignment.spec.executor == "command":
        replace_in(one_run, create_executor=LinesExecutor)
    lifeline.send("ready")
    supervisor.main()

"""A supervisor that turns each line of its agent into an event.

It is the real supervisor, except for the executor: it makes many events, where the executor for
programs makes three. Each event that was added to the outbox is written to the journal, so that a
test can read it after a kill.
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
from agent_orchestrator.runs import supervisor
from agent_orchestrator.runs.assignment import Assignment
from tests.support.forking import live_in, write_to


class LinesExecutor:
    """Runs the program of a spec; the n-th line of its output is the n-th event of the run."""

    def __init__(self, execution: Execution, journal: Path) -> None:
        self._execution = execution
        self._journal = journal

    async def run(self, prompt: str) -> AsyncGenerator[Event, None]:
        child = await Child.start(
            self._execution.spec.command,
            environment=self._execution.environment,
            directory=self._execution.spec.project_dir,
            spared=self._execution.spared,
        )
        try:
            with self._journal.open("a", buffering=1) as journal:
                while line := await child.stdout.readline():
                    yield create_event(
                        "message", role="assistant", content=text_content(line.decode())
                    )
                    journal.write(line.decode())
            exit_code = await child.wait()
        finally:
            await child.stop()
            child.close()
        yield create_event("session_stop", exit_code=exit_code, reason="completed")

    async def send(self, text: str, message_id: str) -> None:
        raise ExecutorError("this executor accepts no messages")


def supervise(lifeline: Connection, assignment: Assignment, journal: Path, log: Path) -> None:
    """Supervise a run in this forked process; send `ready` when it has its own process group.

    Until its end the supervisor holds the lifeline open.
    """
    os.setsid()
    write_to(log)
    live_in(assignment.environment)
    os.chdir(assignment.spec.project_dir)
    sys.stdin = io.StringIO(assignment.to_json())
    vars(supervisor)["create_executor"] = lambda execution: LinesExecutor(execution, journal)
    lifeline.send("ready")
    supervisor.main()

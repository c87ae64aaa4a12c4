"""A run whose agent asks what a test wants: the questions of a supervisor without an agent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.executors.base import Executor, RunSpec
from agent_orchestrator.executors.questions import (
    Choice,
    ChoiceKind,
    Decision,
    Item,
    Option,
    Question,
    QuestionKind,
)
from agent_orchestrator.runs.assignment import Assignment
from agent_orchestrator.runs.supervision.drive import StopOrder
from agent_orchestrator.runs.supervision.notices import Notices
from agent_orchestrator.runs.supervision.questions import Questions
from agent_orchestrator.runs.supervision.requests import Requests
from tests.support.waiting import WATCHDOG_SECONDS

CHOICES = (
    Choice(choice_id="once", kind=ChoiceKind.ALLOW, label="Yes"),
    Choice(choice_id="here", kind=ChoiceKind.ALLOW_ALWAYS, label="Always, in this project"),
    Choice(choice_id="ever", kind=ChoiceKind.ALLOW_ALWAYS, label="Always, everywhere"),
    Choice(choice_id="no", kind=ChoiceKind.DENY, label="No"),
)
PERMISSION = Question(
    kind=QuestionKind.TOOL,
    title="Run rm",
    why="it removes files",
    tool_name="Bash",
    tool_use_id="call-1",
    tool_input={"command": "rm  build\x1b[2J\u200b\nls", "limit": 3},
    choices=CHOICES,
)
COLOR = Item(item_id="c", text="Which color?", options=(Option(label="red"), Option(label="blue")))
SIZES = Item(
    item_id="s",
    text="Which sizes?",
    options=(Option(label="S", description="small"), Option(label="L")),
    is_multiple=True,
    is_free=False,
)


class AskingRun:
    """An open run with the token of its supervisor, which waits for answers."""

    def __init__(self, records: ManagerClient, name: str, project: Path, policy: str) -> None:
        self.session_id = str(uuid4())
        self._holder = str(uuid4())
        opened = records.create_named_session(
            self.session_id, name, project_dir=str(project), executor="claude", holder=self._holder
        )
        self._own = ManagerClient(records.base_url, run_token=opened.tokens.run)
        assignment = Assignment(
            url=records.base_url,
            session_id=self.session_id,
            session_name=name,
            run=1,
            holder=self._holder,
            term_seconds=WATCHDOG_SECONDS,
            prompt="",
            spec=RunSpec(executor="claude", project_dir=project, ask=policy),
            environment={},
            run_token=opened.tokens.run,
        )
        self.questions = Questions(policy, directory=project, record=self.record)
        self._requests = Requests(
            assignment,
            order=StopOrder(),
            executor=cast(Executor, None),  # no test sends a message
            questions=self.questions,
            notices=Notices(None, is_automatic=False),
            record=self.record,
        )
        self.ids: list[str] = []
        """Ids of the questions in the order in which they were asked."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    @contextmanager
    def open(self) -> Iterator[AskingRun]:
        """Handle requests for as long as the block lasts; the run stays open."""
        self._thread.start()
        serving = asyncio.run_coroutine_threadsafe(self._requests.serve(), self._loop)
        try:
            yield self
        finally:
            self._call(self.questions.end)
            serving.cancel()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.run_until_complete(_all_done(self._loop))
            self._loop.close()
            self._own.close()

    def record(self, event: dict[str, Any]) -> None:
        if event["event_type"] == "permission_request":
            self.ids.append(event["question_id"])
        self._own.append_events(self.session_id, [{**event, "run": 1}])

    def ask(self, question: Question) -> asyncio.Future[Decision]:
        """Ask, and return once the manager has the question."""

        async def asked() -> asyncio.Future[Decision]:
            assert self.questions.ask is not None
            deciding = asyncio.ensure_future(_decision(self.questions.ask(question)))
            await asyncio.sleep(0)
            return deciding

        return asyncio.run_coroutine_threadsafe(asked(), self._loop).result(WATCHDOG_SECONDS)

    def decision(self, deciding: asyncio.Future[Decision]) -> Decision:
        async def wait() -> Decision:
            return await deciding

        return asyncio.run_coroutine_threadsafe(wait(), self._loop).result(WATCHDOG_SECONDS)

    def _call(self, work: Any) -> None:
        async def do() -> None:
            work()

        asyncio.run_coroutine_threadsafe(do(), self._loop).result(WATCHDOG_SECONDS)


async def _decision(asking: Any) -> Decision:
    decision: Decision = await asking
    return decision


async def _all_done(loop: asyncio.AbstractEventLoop) -> None:
    others = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
    await asyncio.gather(*others, return_exceptions=True)

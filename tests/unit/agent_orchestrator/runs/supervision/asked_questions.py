"""Questions of a run with the events that they record."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.questions import (
    Choice,
    ChoiceKind,
    Decision,
    Item,
    Option,
    Question,
    QuestionKind,
)
from agent_orchestrator.runs.supervision.questions import Questions

ALLOW = Choice(choice_id="https://agent/once", kind=ChoiceKind.ALLOW, label="Yes")
ALWAYS = Choice(choice_id="a", kind=ChoiceKind.ALLOW_ALWAYS, label="Always, in this project")
EVER = Choice(choice_id="e", kind=ChoiceKind.ALLOW_ALWAYS, label="Always, everywhere")
DENY = Choice(choice_id="no", kind=ChoiceKind.DENY, label="No")
SHELL = Question(
    kind=QuestionKind.TOOL,
    title="Run a command",
    why="not in the list of commands",
    tool_name="Bash",
    tool_use_id="call-1",
    tool_input={"command": "rm build"},
    diff="-old\n+new",
    parent_tool_use_id="call-0",
    choices=(ALLOW, ALWAYS, EVER, DENY),
)
COLOR = Item(
    item_id="Which color?",
    text="Which color?",
    header="Color",
    options=(Option(label="red", description="warm"), Option(label="blue")),
)
SIZES = Item(item_id="Sizes?", text="Sizes?", is_multiple=True, is_free=False)
ASKING = Question(kind=QuestionKind.QUESTION, items=(COLOR, SIZES))


class Scene:
    """Questions of one run with the events that they record."""

    def __init__(self, policy: str = "forever") -> None:
        self.events: list[Event] = []
        self.questions = Questions(policy, directory=Path("/project"), record=self.events.append)

    async def ask(self, question: Question = SHELL) -> asyncio.Task[Decision]:
        assert self.questions.ask is not None
        task = asyncio.ensure_future(_awaited(self.questions.ask(question)))
        await asyncio.sleep(0)
        return task

    @property
    def asked(self) -> list[Event]:
        return [event for event in self.events if event["event_type"] == "permission_request"]

    @property
    def decided(self) -> list[Event]:
        return [event for event in self.events if event["event_type"] == "permission_decided"]

    def answer(self, at: int = -1, **payload: Any) -> tuple[str, str | None]:
        return self.questions.answer(self.asked[at]["question_id"], payload)


async def _awaited(decision: Any) -> Decision:
    answer: Decision = await decision
    return answer

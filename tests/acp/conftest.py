"""Runs of the scripted agent under a preset."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.acp.executor import AcpExecutor
from agent_orchestrator.acp.presets.table import ACP, PRESETS
from agent_orchestrator.agents.agent import Agent
from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.base import Continuation, Execution, RunSpec
from agent_orchestrator.executors.mcp_server import McpServer
from agent_orchestrator.executors.questions import Ask
from tests.support.loops import run

Json = dict[str, Any]
Step = list[Any]

PROGRAM = Path(__file__).parents[1] / "support" / "scripted_acp.py"
PRESETS_AND_ACP = {"acp": ACP, **PRESETS}


def text(words: str, **fields: Any) -> Step:
    """Return a step in which the model says something."""
    content = {"type": "text", "text": words}
    return ["update", {"sessionUpdate": "agent_message_chunk", "content": content, **fields}]


def call(call_id: str = "call-1", **fields: Any) -> Step:
    return ["update", {"sessionUpdate": "tool_call", "toolCallId": call_id, **fields}]


def update(call_id: str = "call-1", **fields: Any) -> Step:
    return ["update", {"sessionUpdate": "tool_call_update", "toolCallId": call_id, **fields}]


def options(*kinds: str) -> list[Json]:
    return [{"optionId": f"id-{kind}", "kind": kind, "name": f"Name of {kind}"} for kind in kinds]


def ask(*kinds: str, call_id: str = "call-1", **fields: Any) -> Step:
    """Return a step in which the agent asks for a permission, by default with three options."""
    kinds = kinds or ("allow_always", "allow_once", "reject_once")
    told = {"toolCallId": call_id, **fields}
    return ["ask", {"toolCall": told, "options": options(*kinds)}]


DONE: Step = ["done", {"stopReason": "end_turn"}]
SERVE: Step = ["serve"]


@dataclass
class Acp:
    """A project with the scripted agent."""

    project: Path
    preset: str = "acp"
    mode: str = "default"
    agent: Agent | None = None
    ask: Ask | None = None
    continues: Continuation = Continuation()
    model: str | None = None
    environment: Json = field(default_factory=dict)
    mcp: McpServer | None = None

    @property
    def log(self) -> Path:
        return self.project.parent / f"{self.project.name}.log"

    def executor(self, *steps: Step) -> AcpExecutor:
        script = self.project.parent / f"{self.project.name}.json"
        script.write_text(json.dumps(steps))
        self.log.unlink(missing_ok=True)
        command = (sys.executable, "-IS", str(PROGRAM), str(script), str(self.log))
        spec = RunSpec(
            executor=self.preset,
            project_dir=self.project,
            permission_mode=self.mode,
            agent=self.agent,
            model=self.model,
        )
        execution = Execution(
            session_id="s1",
            spec=spec,
            continues=self.continues,
            environment={"PATH": "/usr/bin:/bin", **self.environment},
            ask=self.ask,
            mcp=self.mcp,
        )
        preset = replace(PRESETS_AND_ACP[self.preset], command=command)
        return AcpExecutor(execution, preset)

    def play(self, *steps: Step, prompt: str = "Do it.") -> list[Event]:
        """Return the events of a run of these steps."""
        return run(collect(self.executor(*steps).run(prompt)))

    def sent(self, method: str | None = None) -> list[Json]:
        """Return what the agent has read: all messages, or the parameters of those of a method."""
        messages = [json.loads(line) for line in self.log.read_text().splitlines()]
        if method is None:
            return messages
        return [each["params"] for each in messages if each.get("method") == method]

    def answers(self) -> list[Json]:
        """Return our answers to the agent's requests."""
        return [each for each in self.sent() if "method" not in each]


async def collect(events: AsyncGenerator[Event, None]) -> list[Event]:
    async with aclosing(events):
        return [event async for event in events]


def of_type(events: list[Event], *types: str) -> list[Event]:
    return [event for event in events if event["event_type"] in types]


def texts(events: list[Event]) -> list[str]:
    """Return the texts of the agent's messages."""
    return [event["content"][0]["text"] for event in events if event.get("role") == "assistant"]


@pytest.fixture
def acp(tmp_path: Path) -> Acp:
    project = tmp_path / "project"
    project.mkdir()
    return Acp(project)

"""Runs of a program, and the events that the executor makes of its output."""

from __future__ import annotations

from pathlib import Path

from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.base import Execution, RunSpec


def joined(events: list[Event]) -> list[Event]:
    """Join the parts of each message; each part names the event that it continues (promise 8)."""
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


def text_of(event: Event) -> str:
    (block,) = event["content"]
    assert block["type"] == "text"
    return str(block["text"])


def answer_of(events: list[Event]) -> str:
    """Return the program's stdout; events of its stderr may come before or after."""
    (answer,) = [event for event in events if event.get("role") == "assistant"]
    return text_of(answer)

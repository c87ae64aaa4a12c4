"""Events of a run of Claude Code, by kind."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest

from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.base import ExecutorError
from tests.claude.conftest import Claude
from tests.support.loops import run
from tests.support.model_server import script, tool
from tests.support.stopped_run import events_until_stopped


def events_of(claude: Claude, prompt: str, **changes: Any) -> list[Event]:
    return run(claude.events(prompt, **changes))


def error_of(claude: Claude, prompt: str, **changes: Any) -> tuple[list[Event], str]:
    """Run until the executor raises an error; return the events and the error message."""

    async def act() -> tuple[list[Event], str]:
        events = []
        with pytest.raises(ExecutorError) as caught:
            async with aclosing(claude.start(prompt, **changes)) as stream:
                async for event in stream:
                    events.append(event)
        return events, str(caught.value)

    return run(act())


def interrupted_call(claude: Claude) -> list[Event]:
    """Cancel a run during a call of Bash, and wait until its processes are gone."""
    claude.allow("Bash")

    return run(
        events_until_stopped(lambda command: claude.start(script(tool("Bash", command=command))))
    )


def only(events: list[Event], event_type: str) -> list[Event]:
    return [event for event in events if event["event_type"] == event_type]


def text_of(event: Event) -> str:
    return "".join(block["text"] for block in event["content"])


def stamped(event: Event) -> Event:
    """Return an event without the fields that differ from run to run."""
    return {key: value for key, value in event.items() if key not in ("event_id", "timestamp")}

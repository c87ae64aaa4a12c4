"""Runs of the scripted app-server."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent_orchestrator.codex.executor import CodexExecutor
from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.base import Execution, RunSpec
from agent_orchestrator.executors.questions import Ask
from agent_orchestrator.machine.processes import Grace
from tests.support.loops import run

PROGRAM = Path(__file__).parents[1] / "support" / "scripted_app_server.py"
END = ["end", "completed", None]
SAID = ["say", "done"]


def executor_of(
    directory: Path,
    *,
    ask: Ask | None = None,
    grace: Grace | None = None,
    fields: dict[str, Any] | None = None,
    **environment: str,
) -> CodexExecutor:
    """Return an executor of the scripted app-server, with its own directory.

    `fields` are further fields of its `Execution`.
    """
    home = directory / uuid.uuid4().hex
    home.mkdir()
    program = home / "codex"
    program.write_text(f'#!/bin/sh\neval "$BESIDE"\nexec {sys.executable} -I -S {PROGRAM} "$@"\n')
    program.chmod(0o755)
    execution = Execution(
        session_id=str(uuid.uuid4()),
        spec=RunSpec(executor="codex", project_dir=home),
        environment={"CODEX_HOME": str(home), **environment},
        ask=ask,
    )
    execution = replace(execution, **(fields or {}))
    return CodexExecutor(execution, codex_path=str(program), grace=grace)


def play(directory: Path, *acts: list[Any], **options: Any) -> list[Event]:
    """Return the events of a run of a script."""

    async def act() -> list[Event]:
        return await all_of(executor_of(directory, **options).run(json.dumps(acts)))

    return run(act())


async def all_of(stream: AsyncGenerator[Event, None]) -> list[Event]:
    async with aclosing(stream) as events:
        return [event async for event in events]


def error_of(events: list[Event]) -> str | None:
    """Return the error of the last event, which is the end of the run."""
    stop = events[-1]
    assert stop["event_type"] == "session_stop"
    assert (stop["reason"] == "completed") == ("error" not in stop)
    error: str | None = stop.get("error")
    return error

"""An assignment of run 1 of a session, for tests that care for few of its fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent_orchestrator.executors.base import RunSpec
from agent_orchestrator.runs.assignment import Assignment


def assignment_at(url: str = "http://127.0.0.1:9", *, executor: str, **fields: Any) -> Assignment:
    return Assignment(
        url=url,
        session_id="s",
        session_name="s",
        holder="h",
        term_seconds=45.0,
        prompt="",
        spec=RunSpec(executor=executor, project_dir=Path("/")),
        environment={},
        **{"run": 1, **fields},
    )

"""Outboxes of the run that the fake manager knows, and the numbers of their events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent_orchestrator.outbox.outbox import Outbox, Run
from tests.unit.agent_orchestrator.runs.fake_manager import GENERATION


def fill(outbox: Outbox, *numbers: int) -> None:
    for number in numbers:
        outbox.add({"event_type": "x", "event_id": str(number)})


def waiting(outbox: Outbox) -> list[int]:
    return [int(each.item["event_id"]) for each in outbox.next_batch()]


def refused(outbox: Outbox) -> list[int]:
    return [int(each.item["event_id"]) for each in outbox.list_refused()]


def make_outbox(path: Path, url: str = "http://127.0.0.1:1", **fields: Any) -> Outbox:
    run = {"session_id": "s", "run": 1, "url": url, "cursor": f"{GENERATION}:0", **fields}
    return Outbox(path, Run(**run))

"""Notices that a run begins with: the event that shows that the agent has heard them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

from agent_orchestrator.outbox.outbox import Outbox
from agent_orchestrator.runs.supervisor import Supervisor
from tests.support.assignments import assignment_at
from tests.support.rows import each_row

PROMPT = {"event_type": "message", "role": "user", "content": []}
ANSWER = {"event_type": "message", "role": "assistant", "content": []}
NOTE = {"event_type": "diagnostic"}
CALL = {"event_type": "pre_tool"}


def stop(reason: str) -> dict[str, Any]:
    return {"event_type": "session_stop", "reason": reason}


@each_row(
    "events, heard",
    [
        ([PROMPT, NOTE, {"event_type": "agent_update"}, ANSWER, ANSWER], 3),
        ([PROMPT, NOTE, PROMPT, CALL, ANSWER], 3),
        ([PROMPT, stop("completed")], 1),
        ([PROMPT, stop("failed")], None),
        ([PROMPT, NOTE, stop("stopped")], None),
    ],
)
def test_notices_are_heard_with_the_first_event_of_the_agent(
    events: list[dict[str, Any]], heard: int | None
) -> None:
    assignment = assignment_at(executor="command", run=2, notice_batch="b")
    for is_automatic in (True, False):
        supervisor = Supervisor(replace(assignment, is_automatic=is_automatic), Path("/"))
        supervisor._outbox = Mock(Outbox)
        for event in events:
            supervisor._record(event)
        supervisor._manager.close()
        recorded = [call.args[0] for call in supervisor._outbox.add.call_args_list]
        told = [number for number, event in enumerate(recorded) if "notice_batch" in event]
        assert told == ([] if heard is None else [heard])
        origins = [number for number, event in enumerate(recorded) if "origin" in event]
        assert origins == ([0] if is_automatic else [])

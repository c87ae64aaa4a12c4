"""Notices of a run: the event that shows that the agent has heard them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

from agent_orchestrator.outbox.outbox import Outbox
from agent_orchestrator.runs.supervision.one_run import Supervisor
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
        supervisor = Supervisor(replace(assignment, is_automatic=is_automatic), Path("/"), "m")
        recorded = record(supervisor, events)
        assert places("notice_batch", recorded) == ([] if heard is None else [heard])
        assert places("origin", recorded) == ([0] if is_automatic else [])


def record(supervisor: Supervisor, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    supervisor._outbox = Mock(Outbox)
    for event in events:
        supervisor._record(event)
    supervisor._manager.close()
    return [call.args[0] for call in supervisor._outbox.add.call_args_list]


def places(field: str, recorded: list[dict[str, Any]]) -> list[int]:
    return [number for number, event in enumerate(recorded) if field in event]


@each_row("end, heard", [("completed", [4]), ("failed", []), ("budget", []), ("stopped", [])])
def test_unsure_notices_are_heard_if_the_run_is_completed(end: str, heard: list[int]) -> None:
    supervisor = Supervisor(assignment_at(executor="opencode"), Path("/"), "m")
    message = {**PROMPT, **supervisor._notices.fields_of_message("b", is_sure=False)}
    recorded = record(supervisor, [PROMPT, CALL, message, ANSWER, stop(end)])
    assert places("notice_batch", recorded) == heard
    assert places("origin", recorded) == [2]

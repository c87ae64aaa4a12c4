"""Following a run whose successor has begun: all of its own is shown first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent_orchestrator.cli.following import follow
from agent_orchestrator.manager_client import Json, ManagerClient

MANY = 1000
"""More than the manager reads at once."""


def test_a_newer_run_ends_the_following_once_all_events_of_the_older_are_here(
    records: ManagerClient, project: Path, new_id: Callable[[], str]
) -> None:
    session_id = new_id()
    session = records.create_named_session(session_id, "x", project_dir=str(project))
    records.append_events(session_id, [{"event_type": "note"}] * (MANY - 1))
    records.append_events(session_id, [{"event_type": "session_stop"}])
    newer = records.open_run(session_id)
    shown: list[Json] = []
    assert follow(records, session, shown.append) == newer
    assert [event["seq"] for event in shown] == list(range(1, MANY + 1))


def test_a_newer_run_ends_the_following_while_it_goes_on(
    records: ManagerClient, project: Path, new_id: Callable[[], str]
) -> None:
    session_id = new_id()
    session = records.create_named_session(session_id, "x", project_dir=str(project))
    records.append_events(session_id, [{"event_type": "note"}])

    def show(event: Json) -> None:
        if event["event_type"] == "note":
            records.open_run(session_id, takeover=True)

    assert follow(records, session, show)["run"] == 2

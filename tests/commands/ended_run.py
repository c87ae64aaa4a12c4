"""Waiting for the end of a run that the test has not started itself."""

from __future__ import annotations

from agent_orchestrator.client.manager import Json, ManagerClient
from tests.support.waiting import wait_for


def wait_for_run(records: ManagerClient, session_id: str, run: int) -> Json:
    def ended() -> Json | None:
        session = records.get_session(session_id)
        return session if (session["run"], session["status"]) == (run, "finished") else None

    return wait_for(ended, f"run {run} has ended")

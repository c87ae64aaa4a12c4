"""The note on notices that wait for the agent of a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.machine.environment import host
from agent_orchestrator.sessions.notices import notices_of
from tests.support.rows import each_row

BY_HAND = {"status": "running", "imported": True}
NO_LONGER_KNOWN = {"executor": "removed-from-acp.toml"}


@each_row(
    "session, note",
    [
        ({"undelivered_notices": 0}, None),
        ({}, "wait, and no supervisor does: ao-resume it"),
        (NO_LONGER_KNOWN, "wait, and no supervisor does: ao-resume it"),
        ({"host": "another"}, "will be the prompt of its next run"),
        ({"status": "running"}, "are on their way to its agent"),
        (BY_HAND, "wait for its next ao-resume, as a person works in it by hand"),
        ({"notices_held": "failed"}, "wait for its next ao-resume, as it ended as failed"),
        ({"executor": "gemini"}, "wait, and Gemini CLI is not resumed: tell it yourself"),
        ({"executor": "gemini", "notices_held": "limit"}, "wait, and Gemini CLI is not resumed"),
        ({"executor": "gemini", "status": "running"}, "are on their way to its agent"),
    ],
)
def test_note_names_what_the_notices_wait_for(
    session: dict[str, Any], note: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(tmp_path))
    lead = {"session_id": "s", "session_name": "lead", "status": "finished", "host": host()}
    found = notices_of({**lead, "executor": "claude", "undelivered_notices": 1, **session})
    assert (found is None) if note is None else (note in str(found))

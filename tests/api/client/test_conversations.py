"""A resume continues a conversation that a supervisor reported, never one that an agent did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.runs.conversations import find_conversation, list_our_conversations
from agent_orchestrator.runs.seal import sealed_conversation
from agent_orchestrator.transcripts.names import PROJECT_KEY, conversation_subpath
from tests.support.manager import RunningManager


@pytest.fixture
def client(manager: RunningManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagerClient]:
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    with ManagerClient(manager.url) as opened:
        yield opened


def conversation(**fields: Any) -> dict[str, Any]:
    return {"event_type": "conversation", "conversation_id": str(uuid4()), "run": 1, **fields}


def test_resume_uses_only_conversations_reported_by_supervisors(
    client: ManagerClient, session_id: str, tmp_path: Path
) -> None:
    claude = tmp_path / "claude"
    project = claude / "projects" / "p"
    project.mkdir(parents=True)

    def told(event: dict[str, Any], *, is_here: bool) -> str:
        client.append_events(session_id, [event])
        name = str(event["conversation_id"])
        if is_here:
            (project / f"{name.replace('/', '_')}.jsonl").touch()
        return name

    def is_here(conversation_id: str) -> bool:
        return (project / f"{conversation_id}.jsonl").exists()

    def found(*, keeps_transcript: bool = True) -> str | None:
        return find_conversation(
            client,
            session_id,
            state_dir=tmp_path,
            is_here=is_here,
            keeps_transcript=keeps_transcript,
        )

    def sealed(event: dict[str, Any], *, of: str = session_id, run: int = 1) -> dict[str, Any]:
        return sealed_conversation(event, of, run, tmp_path)

    # Events that an agent can forge. The conversations in them exist.
    moved = sealed(conversation())
    forged = [
        conversation(),
        conversation(seal="0" * 64),
        {**moved, "conversation_id": str(uuid4())},
        sealed(conversation(), of="another"),
        sealed(conversation(), run=2),
        conversation(conversation_id="../../../etc/passwd"),
        conversation(conversation_id=["a"]),
    ]
    for event in forged:
        told(event, is_here=True)
        assert found() is None
    first = told(moved, is_here=True)
    assert found() == first
    for event in forged:
        told(event, is_here=True)
    assert found() == first  # the forged events do not hide it
    told(sealed(conversation()), is_here=False)  # its transcript is missing
    assert found() == first
    # A conversation of another machine. Its transcript is in the session: agents cannot write it.
    elsewhere = told(conversation(), is_here=False)
    assert found() == first
    where = {
        "project_key": PROJECT_KEY,
        "session_id": session_id,
        "subpath": conversation_subpath(elsewhere),
    }
    client.append_entries(where, [b"{}"], batch_id="b")
    assert found() == elsewhere
    assert found(keeps_transcript=False) == first  # the manager has only the name of the other one
    ours = list_our_conversations(client, session_id, state_dir=tmp_path)
    assert (elsewhere in ours, first in ours, len(ours)) == (False, True, 2)

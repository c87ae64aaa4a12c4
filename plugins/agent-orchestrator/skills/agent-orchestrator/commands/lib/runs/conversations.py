"""Which conversations of its agent a session has, and with which one it goes on.

The first is named as its session, until the agent begins a new one (`/clear` in Claude Code) and
goes on under an id of its own making. A supervisor records that. An agent can write events too, and
would get at any conversation of this person by naming it: so one is believed only with the seal of
this machine, or where the manager has its transcript in the session, which only a supervisor can
write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..client.manager import Json, ManagerClient
from ..transcripts.names import PROJECT_KEY, conversation_subpath
from .seal import CONVERSATION, is_our_conversation

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def find_conversation(
    manager: ManagerClient, session_id: str, *, state_dir: Path, claude_dir: Path
) -> str | None:
    """The conversation that the agent has moved on to; None where it is still the first one.

    Raises:
        SessionClientError: the manager cannot be asked.
        OSError: the key of the seals cannot be used.
    """
    told = list(_told(manager, session_id))
    if not told:
        return None
    where = {"project_key": PROJECT_KEY, "session_id": session_id, "main": "false"}
    kept = {transcript["subpath"] for transcript in manager.list_transcripts(where)}
    for conversation_id, event in told:
        is_here = any(claude_dir.glob(f"projects/*/{conversation_id}.jsonl"))
        if conversation_subpath(conversation_id) in kept or (
            is_here and is_our_conversation(event, session_id, state_dir)
        ):
            return conversation_id
    return None


def list_our_conversations(
    manager: ManagerClient, session_id: str, *, state_dir: Path
) -> list[str]:
    """The conversations after the first that runs of this person on this machine have begun."""
    return [
        conversation_id
        for conversation_id, event in _told(manager, session_id)
        if is_our_conversation(event, session_id, state_dir)
    ]


def _told(manager: ManagerClient, session_id: str) -> Iterator[tuple[str, Json]]:
    """What the session's events tell of conversations, whoever wrote it; the newest first."""
    for event in manager.list_newest_events(session_id, CONVERSATION):
        conversation_id = event.get("conversation_id")
        if isinstance(conversation_id, str) and _ID.fullmatch(conversation_id):
            yield conversation_id, event

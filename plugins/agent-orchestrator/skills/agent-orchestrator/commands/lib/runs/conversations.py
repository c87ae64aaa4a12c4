"""Finds the conversations of a session, and the one that a resume continues.

The first conversation has the id of the session. When the agent begins a new one (`/clear` in
Claude Code), it continues under a new id. The supervisor records that id in an event. An agent can
write events too, and could name any conversation of this user to get access to it. So an event
counts only if it has the seal of this machine, or if the session has the conversation's transcript
at the manager. Only a supervisor can write that transcript.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..client.manager import Json, ManagerClient
from ..client.read.events import newest_events
from ..transcripts.names import CONVERSATION_ID, PROJECT_KEY, conversation_subpath
from .seal import CONVERSATION, is_our_conversation


def find_conversation(
    manager: ManagerClient,
    session_id: str,
    *,
    state_dir: Path,
    is_here: Callable[[str], bool] | None,
    keeps_transcript: bool = True,
) -> str | None:
    """Return the conversation that the agent has moved on to; None if it is still the first.

    `is_here` returns whether the agent's files on this machine have a conversation; None if its
    executor cannot know that. `keeps_transcript` is false if the manager only knows their names.

    Raises:
        SessionClientError: a request to the manager failed.
        OSError: the key of the seals cannot be used.
    """
    told = list(_told(manager, session_id))
    if not told:
        return None
    where = {"project_key": PROJECT_KEY, "session_id": session_id, "main": "false"}
    kept = {transcript["subpath"] for transcript in manager.list_transcripts(where)}
    for conversation_id, event in told:
        if keeps_transcript and conversation_subpath(conversation_id) in kept:
            return conversation_id
        is_ours = is_our_conversation(event, session_id, state_dir)
        if is_ours and (is_here is None or is_here(conversation_id)):
            return conversation_id
    return None


def list_our_conversations(
    manager: ManagerClient, session_id: str, *, state_dir: Path
) -> list[str]:
    """List the conversations after the first that this user's runs on this machine began."""
    return [
        conversation_id
        for conversation_id, event in _told(manager, session_id)
        if is_our_conversation(event, session_id, state_dir)
    ]


def _told(manager: ManagerClient, session_id: str) -> Iterator[tuple[str, Json]]:
    """Yield the conversations in the session's events, newest first, without checking them."""
    for event in newest_events(manager, session_id, CONVERSATION):
        conversation_id = event.get("conversation_id")
        if isinstance(conversation_id, str) and CONVERSATION_ID.fullmatch(conversation_id):
            yield conversation_id, event

"""Names the conversation of a run to the manager, for agents that give it an id of their own.

The manager then has a transcript of this name in the session, with one line and nothing that the
agent wrote. An import of the agent's own files finds the session by it. Only a supervisor can write
it: an agent cannot claim the conversation of another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from .names import CONVERSATION_ID, PROJECT_KEY

if TYPE_CHECKING:  # the SDK of Claude Code is not needed
    from .store import TranscriptStore

NAMED = "agent_orchestrator_conversation"
"""Type of the line."""


async def name_conversation(mirror: object | None, conversation_id: str | None) -> None:
    """Name a conversation before the agent has its prompt. Naming it again adds nothing."""
    if mirror is None or not CONVERSATION_ID.fullmatch(conversation_id or ""):
        return
    key = {"project_key": PROJECT_KEY, "session_id": conversation_id}
    line = {"type": NAMED, "uuid": conversation_id}
    await cast("TranscriptStore", mirror).append(cast(Any, key), [cast(Any, line)])

"""How the manager names the transcripts of a session, also those of its later conversations."""

from __future__ import annotations

PROJECT_KEY = "sessions"
"""One for all: a session's id is unique, and its project has another path on another machine."""
CONVERSATIONS = "conversations"
"""Where the transcripts of conversations are that the session's agent has moved on to."""


def conversation_subpath(conversation_id: str, subpath: str | None = None) -> str:
    """Where in its session the transcript of a conversation is, or one of its subagents'."""
    return "/".join(filter(None, (CONVERSATIONS, conversation_id, subpath)))

"""Names of a session's transcripts at the manager, also of its later conversations."""

from __future__ import annotations

import re

PROJECT_KEY = "sessions"
"""One key for all sessions: ids are unique, and a project's path differs between machines."""
CONVERSATIONS = "conversations"
"""Parent of the transcripts of conversations that the session's agent has moved on to."""

CONVERSATION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
"""Agents form their ids differently; none of these leaves a directory or matches other files."""


def conversation_subpath(conversation_id: str, subpath: str | None = None) -> str:
    """Return the subpath of a conversation's transcript, or of one of its subagents'."""
    return "/".join(filter(None, (CONVERSATIONS, conversation_id, subpath)))

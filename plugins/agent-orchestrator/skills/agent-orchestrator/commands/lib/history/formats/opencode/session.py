"""Reads facts about a session of opencode."""

from __future__ import annotations

import re

from ...items import ForkPoint, SessionFacts, Title, TitleRank
from ..fields import Fields, Json, session_id_of, text_of, title_line

_DEFAULT_TITLE = re.compile(r"(New|Child) session - \d{4}-\d\d-\d\dT.*")
"""The title until the agent has made one."""


def facts(session_id: str, row: Fields, worktree: Json = None) -> SessionFacts:
    """Return the facts in a session's row."""
    title = title_line(text_of(row.get("title")) or "")
    if title and _DEFAULT_TITLE.fullmatch(title):
        title = None
    origin = session_id_of(row.get("fork_session_id"))
    return SessionFacts(
        session_id=session_id,
        project_dir=text_of(row.get("directory")) or text_of(worktree),
        title=Title(TitleRank.GENERATED, title) if title else None,
        parent_session_id=session_id_of(row.get("parent_id")),
        forked_from=ForkPoint(origin) if origin else None,
        agent_version=text_of(row.get("version")),
    )

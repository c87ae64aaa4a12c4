"""The thread from which a thread comes, as the first record of its rollout names it."""

from __future__ import annotations

from ..fields import Fields, optional_session_id, whole_number


def parent_of(meta: Fields) -> str | None:
    """Return the id of the thread that started a thread as its subagent."""
    source = meta.get("source")
    subagent = source.get("subagent") if isinstance(source, dict) else None
    spawn = subagent.get("thread_spawn") if isinstance(subagent, dict) else None
    if isinstance(spawn, dict) and "parent_thread_id" in spawn:
        return optional_session_id(spawn, "parent_thread_id")
    return optional_session_id(meta, "parent_thread_id")


def first_ordinal_of(meta: Fields, base: Fields) -> int | None:
    """Return the first ordinal after the copied part of a fork, if its first record names it."""
    for record, key in (
        (meta, "subagent_history_start_ordinal"),
        (meta, "forked_from_ordinal_exclusive"),
        (base, "end_ordinal_exclusive"),
    ):
        found = whole_number(record, key)
        if found is not None:
            return found
    return None

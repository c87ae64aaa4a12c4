"""Usage of Copilot CLI, from three places.

Newer versions record each request in the session's file and in a database beside the sessions,
older ones only in the database, and the oldest only write sums when a session shuts down. Credits
(`totalNanoAiu`) are not dollars, and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...items import ModelRequest
from ..fields import (
    Fields,
    Json,
    count_of,
    fields_of,
    known_counts,
    request_key,
    text_of,
    time_of_text,
)
from ..files import is_inside
from ..read_only import Row, columns, open_read_only

STORE = "session-store.db"
_TABLE = "assistant_usage_events"
_CUMULATIVE = (
    "inputTokens",
    "outputTokens",
    "cacheReadTokens",
    "cacheWriteTokens",
    "reasoningTokens",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A record with usage in the file of a session."""

    event_id: str
    timestamp: str | None
    data: Fields
    is_subagent: bool
    """True if a subagent wrote it."""


def row_numbers(root: Path) -> dict[str, str]:
    """Return by session a text that changes when the database gets a row of the session.

    Raises:
        OSError: the database cannot be read now.
    """
    rows = _select(root, "session_id, count(*) AS number, max(id) AS last", "GROUP BY session_id")
    return {str(row["session_id"]): f"{row['number']}:{row['last']}" for row in rows}


def rows_of(root: Path, session_id: str) -> list[Row]:
    """Return the rows of a session, the oldest first.

    Raises:
        OSError: the database cannot be read now.
    """
    return _select(root, "*", "WHERE session_id = ? ORDER BY id", session_id)


def _select(root: Path, values: str, rest: str, *parameters: str) -> list[Row]:
    store = root / STORE
    if not is_inside(store, root):
        return []
    with open_read_only(store) as database:
        if not columns(database, _TABLE):
            return []
        query = f"SELECT {values} FROM {_TABLE} {rest}"
        rows: list[Row] = database.execute(query, parameters).fetchall()
        return rows


def requests(
    session_id: str, rows: Sequence[Row], records: Sequence[Record], shutdowns: Sequence[Record]
) -> Iterator[ModelRequest]:
    """Yield each request once. `shutdowns` are those before the first record."""
    # Each record has a row. The rows before them are of an older version.
    older = rows[: max(0, len(rows) - len(records))]
    for row in older:
        yield _of_row(session_id, row)
    if not older:
        yield from _of_shutdowns(session_id, shutdowns)
    for record in records:
        yield _of_record(session_id, record)


def _of_row(session_id: str, row: Row) -> ModelRequest:
    return ModelRequest(
        session_id=session_id,
        key=request_key("copilot", session_id, "row", str(row.get("id"))),
        counts=_counts(
            {
                "inputTokens": row.get("input_tokens"),
                "outputTokens": row.get("output_tokens"),
                "cacheReadTokens": row.get("cache_read_tokens"),
                "cacheWriteTokens": row.get("cache_write_tokens"),
                "reasoningTokens": row.get("reasoning_tokens"),
            }
        ),
        occurred_at=time_of_text(row.get("created_at")),
        model=text_of(row.get("model")),
    )


def _of_record(session_id: str, record: Record) -> ModelRequest:
    usage = fields_of(record.data.get("usage"))
    accounting = fields_of(usage.get("accounting"))
    owner = text_of(accounting.get("sourceSessionId")) or session_id
    usage_id = text_of(accounting.get("usageId")) or text_of(usage.get("apiCallId"))
    return ModelRequest(
        session_id=session_id,
        key=request_key("copilot", owner, usage_id or record.event_id),
        counts=_counts(usage),
        occurred_at=record.timestamp,
        model=text_of(usage.get("model")),
        # A subagent has an id of its own, which is not that of a session.
        is_inherited=owner != session_id and not record.is_subagent,
    )


def _of_shutdowns(session_id: str, shutdowns: Sequence[Record]) -> Iterator[ModelRequest]:
    """Yield what each shutdown adds. Its sums begin again at 0 after a compaction."""
    last: dict[str, Fields] = {}
    for shutdown in shutdowns:
        for model, metrics in fields_of(shutdown.data.get("modelMetrics")).items():
            usage = fields_of(fields_of(metrics).get("usage"))
            added = _added(usage, last.get(model, {}))
            last[model] = usage
            if counts := _counts(added):
                yield ModelRequest(
                    session_id=session_id,
                    key=request_key("copilot", session_id, shutdown.event_id, model),
                    counts=counts,
                    occurred_at=shutdown.timestamp,
                    model=model or None,
                )


def _added(usage: Fields, last: Fields) -> dict[str, Json]:
    pairs = {name: (count_of(usage.get(name)), count_of(last.get(name))) for name in _CUMULATIVE}
    has_fallen = any((now or 0) < (before or 0) for now, before in pairs.values())
    return {
        name: now if now is None or has_fallen else now - (before or 0)
        for name, (now, before) in pairs.items()
    }


def _counts(usage: Mapping[str, Json]) -> dict[str, int]:
    """Return the counts. The input includes the tokens that the cache read or wrote."""
    read, write = count_of(usage.get("cacheReadTokens")), count_of(usage.get("cacheWriteTokens"))
    whole = count_of(usage.get("inputTokens"))
    return known_counts(
        input_tokens=None if whole is None else max(0, whole - (read or 0) - (write or 0)),
        output_tokens=count_of(usage.get("outputTokens")),
        cache_read_tokens=read,
        cache_creation_tokens=write,
        reasoning_tokens=count_of(usage.get("reasoningTokens")),
    )

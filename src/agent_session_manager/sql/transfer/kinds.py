"""The lines of an export: their types, their fields, and the valid values of each field.

An export consists of JSON lines in this order: a header; each session, followed by its runs, its
requests, its notices, its events and its usage facts; each transcript, followed by its entries and
its summary; a trailer with counts and a checksum. A field accepts the same values as its table
column, so every valid line can be stored. See `docs/reference/export-format.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Row, Table

from agent_session_manager.domain.events.event import (
    MAX_EVENT_ID_CHARS,
    MAX_TYPE_CHARS,
    NANODOLLARS,
)
from agent_session_manager.domain.events.line import MAX_LINE_CHARS
from agent_session_manager.domain.events.model_request import COUNTS, DETAILS
from agent_session_manager.domain.sessions.request import RequestKind, RequestState
from agent_session_manager.domain.sessions.session import MAX_NAME_CHARS, MAX_PATH_BYTES, Reason
from agent_session_manager.domain.transcript import MAX_KEY_BYTES
from agent_session_manager.sql.schema.derived import MAX_COST
from agent_session_manager.sql.schema.rows import USAGE_COLUMNS
from agent_session_manager.sql.schema.tables import (
    events,
    notices,
    requests,
    runs,
    sessions,
    transcript_entries,
    transcript_summaries,
    transcripts,
    usage_facts,
)
from agent_session_manager.sql.transfer.checks import (
    Check,
    bytes_up_to,
    is_cost,
    is_count,
    is_exit_code,
    is_flag,
    is_fork_point,
    is_json,
    is_moment,
    is_number,
    is_place,
    is_run,
    is_run_count,
    is_session_id,
    is_source,
    is_text,
    one_of,
    or_null,
    up_to,
)
from agent_session_manager.sql.transfer.format import line_refused
from agent_session_manager.sql.transfer.values import (
    NotStorableError,
    Taking,
    take,
    take_entry,
    take_event,
    take_request,
    take_run,
    take_session,
    take_summary,
)

_MAX_DETAIL_BYTES = 64 * 1024
_DATE_CHARS = 10


def _in_nanodollars(microdollars: Any) -> Any:
    """Return a cost of an earlier version, at most the maximum; unchanged if it is not valid."""
    return min(microdollars * NANODOLLARS, MAX_COST) if is_count(microdollars) else microdollars


@dataclass(frozen=True, kw_only=True, eq=False)
class Kind:
    """A kind of line, for the rows of one table: its columns in order, each with a check."""

    name: str
    counted: str
    """Name of the count in the trailer."""
    table: Table
    columns: dict[str, Check]
    added: dict[str, Any] = field(default_factory=dict)
    """Default values of the columns that exports of earlier versions lack."""
    taking: Taking | None = None
    """Checks and masks the values of the columns together."""

    def to_line(self, row: Row[Any]) -> bytes:
        values: dict[str, Any] = {"type": self.name}
        found = row._mapping
        for name, check in self.columns.items():
            value = found[name]
            # A column with a JSON text is exported as a JSON value, not as a string.
            values[name] = orjson.loads(value) if check in _AS_JSON and value else value
        return orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)

    def to_row(self, values: dict[str, Any], number: int) -> dict[str, Any]:
        """Return the row of a line.

        Raises:
            ImportRefusedError: a field is missing, unknown, or has an invalid value.
        """
        values = {**self.added, **values}
        if "cost_microdollars" in values:  # until version 2
            values["cost_nanodollars"] = _in_nanodollars(values.pop("cost_microdollars"))
        if "seen_run" in self.columns:  # until version 4; all ends count as seen
            values.setdefault("seen_run", values.get("last_run"))
        if values.keys() != self.columns.keys():
            wrong = ", ".join(sorted(values.keys() ^ self.columns.keys()))
            raise line_refused(
                number, f"fields of this {self.name} are missing or unknown: {wrong}"
            )
        for name, check in self.columns.items():
            if not check(values[name]):
                raise line_refused(number, f"{name} of this {self.name} has an invalid value")
        try:
            taken = take(values, self.taking)
        except NotStorableError as exc:
            raise line_refused(number, f"this {self.name} cannot be stored: {exc}") from exc
        row = {}
        for name, check in self.columns.items():
            value = taken[name]
            is_json = check in _AS_JSON and value is not None
            row[name] = orjson.dumps(value).decode() if is_json else value
        return row


_OPTIONAL_JSON = or_null(is_json)
_SOURCE = or_null(is_source)
_FORK_POINT = or_null(is_fork_point)
_AS_JSON = (is_json, _OPTIONAL_JSON, _SOURCE, _FORK_POINT)
_USAGE: dict[str, Check] = dict.fromkeys(USAGE_COLUMNS, is_count) | {"cost_nanodollars": is_cost}
_ADDED = dict.fromkeys(
    ("unpriced_tokens", "cache_creation_1h_tokens", "reasoning_tokens", "web_searches"), 0
)
_NAME = up_to(MAX_NAME_CHARS)
_LINE = or_null(up_to(MAX_LINE_CHARS))
_PATH = bytes_up_to(MAX_PATH_BYTES)

SESSION = Kind(
    name="session",
    counted="sessions",
    table=sessions,
    columns={
        "session_id": is_session_id,
        "session_name": _NAME,
        "project_dir": or_null(_PATH),
        "agent_name": or_null(_NAME),
        "executor": or_null(_NAME),
        "parent_session_id": or_null(is_session_id),
        "created_at": is_moment,
        "last_resumed_at": or_null(is_moment),
        "last_activity_at": is_moment,
        "archived_at": or_null(is_moment),
        "status": one_of("running", "finished"),
        "last_run": is_run,
        "last_seq": is_number,
        "unique_name": is_flag,
        **_USAGE,
        "masked_secrets": is_count,
        "title": or_null(_NAME),
        "source": _SOURCE,
        "forked_from": _FORK_POINT,
        "automatic_runs": is_run_count,
        "prompt": _LINE,
        "seen_run": is_run_count,
    },
    added=_ADDED
    | dict.fromkeys(("title", "source", "forked_from", "prompt"))
    | {"automatic_runs": 0},
    taking=take_session,
)
RUN = Kind(
    name="run",
    counted="runs",
    table=runs,
    columns={
        "run": is_run,
        "started_at": is_moment,
        "finished_at": or_null(is_moment),
        "exit_code": or_null(is_exit_code),
        "reason": or_null(one_of(*Reason)),
        "host": or_null(_NAME),
        "spec": _OPTIONAL_JSON,
        "lease_holder": or_null(_NAME),
        "lease_expires_at": or_null(is_moment),
        "answer_seq": or_null(is_place),
        "imported": is_flag,
        "notify": is_flag,
        "outcome": _LINE,
        "denied_calls": is_run_count,
        "denied_tools": _LINE,
        **_USAGE,
    },
    added=_ADDED
    | dict.fromkeys(("outcome", "denied_tools"))
    | {"imported": False, "notify": False, "denied_calls": 0},
    taking=take_run,
)
REQUEST = Kind(
    name="request",
    counted="requests",
    table=requests,
    columns={
        "run": is_run,
        "request_id": is_session_id,
        "kind": one_of(*RequestKind),
        "payload": is_json,
        "state": one_of(*RequestState),
        "detail": or_null(bytes_up_to(_MAX_DETAIL_BYTES)),
        "created_at": is_moment,
        "settled_at": or_null(is_moment),
    },
    taking=take_request,
)
NOTICE = Kind(
    name="notice",
    counted="notices",
    table=notices,
    columns={
        "run": is_run,
        "correction": is_run_count,
        "reason": one_of(*Reason),
        "created_at": is_moment,
        "delivered_at": or_null(is_moment),
    },
)
EVENT = Kind(
    name="event",
    counted="events",
    table=events,
    columns={
        "seq": is_place,
        "event_id": or_null(up_to(MAX_EVENT_ID_CHARS)),
        "run": is_run,
        "late": is_flag,
        "event_type": up_to(MAX_TYPE_CHARS),
        "recorded_at": is_moment,
        "fields": is_json,
    },
    taking=take_event,
)
USAGE_FACT = Kind(
    name="usage_fact",
    counted="usage_facts",
    table=usage_facts,
    columns={
        "request_key": bytes_up_to(MAX_KEY_BYTES),
        "run": is_run,
        "covered": is_flag,
        "inherited": is_flag,
        "occurred_at": or_null(is_moment),
        **dict.fromkeys(DETAILS, or_null(_NAME)),
        **dict.fromkeys(COUNTS, or_null(is_count)),
        "cost_nanodollars": or_null(is_cost),
        "cost_source": or_null(one_of("agent", "table")),
        "prices_as_of": or_null(up_to(_DATE_CHARS)),
    },
)
TRANSCRIPT = Kind(
    name="transcript",
    counted="transcripts",
    table=transcripts,
    columns={
        "project_key": bytes_up_to(MAX_KEY_BYTES),
        "session_id": is_session_id,
        "subpath": bytes_up_to(MAX_KEY_BYTES),
        "last_position": is_number,
        "updated_at": is_moment,
    },
)
ENTRY = Kind(
    name="entry",
    counted="entries",
    table=transcript_entries,
    columns={
        "position": is_place,
        "entry_id": or_null(bytes_up_to(MAX_KEY_BYTES)),
        "line": is_text,
    },
    taking=take_entry,
)
SUMMARY = Kind(
    name="summary",
    counted="summaries",
    table=transcript_summaries,
    columns={"version": is_number, "updated_at": is_moment, "summary": is_text},
    taking=take_summary,
)
KINDS = {
    kind.name: kind
    for kind in (SESSION, RUN, REQUEST, NOTICE, EVENT, USAGE_FACT, TRANSCRIPT, ENTRY, SUMMARY)
}

NOT_EXPORTED = {
    "sessions": {
        "number",  # valid in this database only
        "generation",  # an import is a new record with a new generation
        "reserved_project",  # derived from the name, and from whether the session is archived
        "reserved_name",
        "list_order",  # derived from the order of the lines
        "state",  # derived from the status and the newest run
        "attention",  # derived from the state, the newest run and the session
        "took_microseconds",  # derived from the runs
        "host",
        "changed_position",
        "created_position",
    },
    "runs": {"session_number", "has_total"},
    "requests": {"number", "session_number"},
    "notices": {
        "number",
        "session_number",
        "parent_number",  # derived from the session
        "batch_id",  # a batch is offered to a run, which does not continue in another database
        "offered_run",
        "refused_run",
    },
    "events": {"number", "session_number", "checksum"},
    "usage_facts": {"number", "session_number"},
    "transcripts": {"number"},
    "transcript_entries": {"transcript_number", "size"},
    "transcript_summaries": {"transcript_number"},
}
"""Columns that are not exported: they have no meaning in another database, or are derived."""
TABLES_NOT_EXPORTED = {
    "alerts",
    "run_tokens",
    "feed",
    "deleted_sessions",
    "questions",
    "facets",
    "usage_sums",
}

"""The lines of an export: their types, their fields, and the valid values of each field.

An export consists of JSON lines in this order: a header; each session, followed by its runs, its
requests and its events; each transcript, followed by its entries and its summary; a trailer with
counts and a checksum. A field accepts the same values as its table column, so every valid line can
be stored. See `docs/reference/export-format.md`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Row, Table

from agent_session_manager.domain.event import MAX_EVENT_ID_CHARS, MAX_TYPE_CHARS
from agent_session_manager.domain.request import RequestKind, RequestState
from agent_session_manager.domain.session import (
    MAX_NAME_CHARS,
    MAX_PATH_BYTES,
    Reason,
    is_session_id,
)
from agent_session_manager.domain.transcript import MAX_KEY_BYTES
from agent_session_manager.sql.schema.derived import MAX_COUNTED
from agent_session_manager.sql.schema.rows import USAGE_COLUMNS, to_microseconds
from agent_session_manager.sql.schema.tables import (
    events,
    requests,
    runs,
    sessions,
    transcript_entries,
    transcript_summaries,
    transcripts,
)
from agent_session_manager.sql.transfer.values import (
    NotStorableError,
    Taking,
    take,
    take_entry,
    take_event,
    take_request,
    take_run,
    take_summary,
)

FORMAT = "agent-session-manager export"
VERSION = 2
READABLE_VERSIONS = (1, 2)
MAX_LINE_BYTES = 256 * 1024 * 1024
"""No exported line is longer: one append is always smaller, even with all characters escaped."""
MAX_NUMBER = 2**63 - 1
MIN_MOMENT = to_microseconds(datetime(1, 1, 2, tzinfo=UTC))
MAX_MOMENT = to_microseconds(datetime(9999, 12, 30, tzinfo=UTC))
"""Moments that can be shown in every time zone."""
_MAX_SMALL = 2**31 - 1
_MAX_DETAIL_BYTES = 64 * 1024

Check = Callable[[Any], bool]


class ImportRefusedError(Exception):
    """The import is refused; the text says why, and nothing was changed."""


def line_refused(number: int, problem: str) -> ImportRefusedError:
    return ImportRefusedError(f"line {number}: {problem}; nothing was changed")


def _number(value: Any, *, least: int = 0, most: int = MAX_NUMBER) -> bool:
    return type(value) is int and least <= value <= most


def _place(value: Any) -> bool:
    return _number(value, least=1)


def _run(value: Any) -> bool:
    return _number(value, least=1, most=_MAX_SMALL)


def _moment(value: Any) -> bool:
    return _number(value, least=MIN_MOMENT, most=MAX_MOMENT)


def _count(value: Any) -> bool:
    return _number(value, most=MAX_COUNTED)


def _exit_code(value: Any) -> bool:
    return _number(value, least=-_MAX_SMALL, most=_MAX_SMALL)


def _text(value: Any) -> bool:
    return type(value) is str and "\0" not in value


def _flag(value: Any) -> bool:
    return type(value) is bool


def _json(value: Any) -> bool:
    return type(value) is dict


def _up_to(chars: int) -> Check:
    return lambda value: _text(value) and 0 < len(value) <= chars


def _bytes_up_to(size: int) -> Check:
    return lambda value: _text(value) and len(value.encode()) <= size


def _one_of(*values: str) -> Check:
    return lambda value: type(value) is str and value in values


def _session_id(value: Any) -> bool:
    return type(value) is str and is_session_id(value)


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


@dataclass(frozen=True, kw_only=True, eq=False)
class Kind:
    """A kind of line, for the rows of one table: its columns in order, each with a check."""

    name: str
    counted: str
    """Name of the count in the trailer."""
    table: Table
    columns: dict[str, Check]
    added: dict[str, Any] = field(default_factory=dict)
    """Default values of the columns that exports of version 1 lack."""
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


_OPTIONAL_JSON = _or_null(_json)
_AS_JSON = (_json, _OPTIONAL_JSON)
_USAGE: dict[str, Check] = dict.fromkeys(USAGE_COLUMNS, _count)
_ADDED = {"unpriced_tokens": 0}
_NAME = _up_to(MAX_NAME_CHARS)
_PATH = _bytes_up_to(MAX_PATH_BYTES)

SESSION = Kind(
    name="session",
    counted="sessions",
    table=sessions,
    columns={
        "session_id": _session_id,
        "session_name": _NAME,
        "project_dir": _or_null(_PATH),
        "agent_name": _or_null(_NAME),
        "executor": _or_null(_NAME),
        "parent_session_id": _or_null(_session_id),
        "created_at": _moment,
        "last_resumed_at": _or_null(_moment),
        "last_activity_at": _moment,
        "archived_at": _or_null(_moment),
        "status": _one_of("running", "finished"),
        "last_run": _run,
        "last_seq": _number,
        "unique_name": _flag,
        **_USAGE,
        "masked_secrets": _count,
    },
    added=_ADDED,
)
RUN = Kind(
    name="run",
    counted="runs",
    table=runs,
    columns={
        "run": _run,
        "started_at": _moment,
        "finished_at": _or_null(_moment),
        "exit_code": _or_null(_exit_code),
        "reason": _or_null(_one_of(*Reason)),
        "host": _or_null(_NAME),
        "spec": _OPTIONAL_JSON,
        "lease_holder": _or_null(_NAME),
        "lease_expires_at": _or_null(_moment),
        "answer_seq": _or_null(_place),
        **_USAGE,
    },
    added=_ADDED,
    taking=take_run,
)
REQUEST = Kind(
    name="request",
    counted="requests",
    table=requests,
    columns={
        "run": _run,
        "request_id": _session_id,
        "kind": _one_of(*RequestKind),
        "payload": _json,
        "state": _one_of(*RequestState),
        "detail": _or_null(_bytes_up_to(_MAX_DETAIL_BYTES)),
        "created_at": _moment,
        "settled_at": _or_null(_moment),
    },
    taking=take_request,
)
EVENT = Kind(
    name="event",
    counted="events",
    table=events,
    columns={
        "seq": _place,
        "event_id": _or_null(_up_to(MAX_EVENT_ID_CHARS)),
        "run": _run,
        "late": _flag,
        "event_type": _up_to(MAX_TYPE_CHARS),
        "recorded_at": _moment,
        "fields": _json,
    },
    taking=take_event,
)
TRANSCRIPT = Kind(
    name="transcript",
    counted="transcripts",
    table=transcripts,
    columns={
        "project_key": _bytes_up_to(MAX_KEY_BYTES),
        "session_id": _session_id,
        "subpath": _bytes_up_to(MAX_KEY_BYTES),
        "last_position": _number,
        "updated_at": _moment,
    },
)
ENTRY = Kind(
    name="entry",
    counted="entries",
    table=transcript_entries,
    columns={
        "position": _place,
        "entry_id": _or_null(_bytes_up_to(MAX_KEY_BYTES)),
        "line": _text,
    },
    taking=take_entry,
)
SUMMARY = Kind(
    name="summary",
    counted="summaries",
    table=transcript_summaries,
    columns={"version": _number, "updated_at": _moment, "summary": _text},
    taking=take_summary,
)
KINDS = {kind.name: kind for kind in (SESSION, RUN, REQUEST, EVENT, TRANSCRIPT, ENTRY, SUMMARY)}

NOT_EXPORTED = {
    "sessions": {
        "number",  # valid in this database only
        "generation",  # an import is a new record with a new generation
        "reserved_project",  # derived from the name, and from whether the session is archived
        "reserved_name",
        "state",  # derived from the status and the newest run
        "changed_position",
        "created_position",
    },
    "runs": {"session_number"},
    "requests": {"number", "session_number"},
    "events": {"number", "session_number", "checksum"},
    "transcripts": {"number"},
    "transcript_entries": {"transcript_number", "size"},
    "transcript_summaries": {"transcript_number"},
}
"""Columns that are not exported: they have no meaning in another database, or are derived."""
TABLES_NOT_EXPORTED = {
    *("run_tokens", "feed", "deleted_sessions", "model_requests", "facets", "usage_sums")
}

_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")


def header_line(*, exported_at: int, generation: str, is_whole: bool) -> bytes:
    values = {
        "type": "header",
        "format": FORMAT,
        "version": VERSION,
        "exported_at": exported_at,
        "generation": generation,
        "whole": is_whole,
    }
    return orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)


def check_header(values: dict[str, Any]) -> None:
    """Raise if this is not the header of an export that this version can read."""
    if values.get("type") != "header" or values.get("format") != FORMAT:
        raise line_refused(1, "this is not an export of agent-session-manager")
    if values.get("version") not in READABLE_VERSIONS:
        readable = " and ".join(map(str, READABLE_VERSIONS))
        raise line_refused(
            1,
            f"this is an export of version {values.get('version')!r}, and this program reads "
            f"versions {readable}: was it written by a newer agent-session-manager?",
        )
    known: dict[str, Check] = {
        "type": _text,
        "format": _text,
        "version": _number,
        "exported_at": _moment,
        "generation": _text,
        "whole": _flag,
    }
    if values.keys() != known.keys() or not all(known[n](v) for n, v in values.items()):
        raise line_refused(1, "the header is not valid")


def trailer_line(counts: dict[str, int], digest: str) -> bytes:
    values = {"type": "trailer", **counts, "sha256": digest}
    return orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)


def check_trailer(values: dict[str, Any], number: int, counts: dict[str, int], digest: str) -> None:
    """Raise if the trailer does not match the lines before it."""
    told = values.get("sha256")
    if not isinstance(told, str) or not _HEX_SHA256.fullmatch(told):
        raise line_refused(number, "the trailer has no checksum")
    if values != {"type": "trailer", **counts, "sha256": told}:
        raise line_refused(number, "the counts of the trailer do not match the lines before it")
    if told != digest:
        raise line_refused(number, "the checksum of the trailer does not match the lines before it")

"""The outline of a session, in pages: the entries of the next events that the scan reaches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, select

from agent_session_manager.domain.events.event import Event
from agent_session_manager.domain.events.outline import (
    CALL_BEGUN,
    CALL_DENIED,
    CALL_ENDED,
    BegunCall,
    CallKey,
    Lane,
    call_key,
    outline_entry,
)
from agent_session_manager.sql.read.sessions import NUMBER, one
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import events
from agent_session_manager.store.queries import OutlinePage

SCANNED_EVENTS = 5000
"""Number of events after which a page ends."""
SCANNED_CHARS = 16 * 1024 * 1024
LOOKBACK_EVENTS = 10_000
"""Maximum number of events before a page among which the begin of a call is sought."""
_ROWS_AT_ONCE = 200
_WITH_ENTRY = frozenset({CALL_DENIED, "subagent_start", "session_stop"})
_TOLD = re.compile(r'"(?:error|diff)":(?!null)')
_OF_USER = '"role":"user"'
_ID = re.compile(r'"tool_use_id":"((?:[^"\\]|\\.)*)"')
"""The id of a call in stored fields. Text in a string has a backslash before its quotes."""

_IN_LANE = '"parent_tool_use_id":"'

Begun = dict[CallKey, BegunCall]
Lanes = dict[CallKey, list[int]]
"""The events of each subagent, by the call that started it."""


class _Event(NamedTuple):
    """An event that has an entry, unless it does not say what it promises."""

    event: Event
    fields: dict[str, Any]
    call: CallKey | None


def get_outline(connection: Connection, session_id: str, after_seq: int) -> OutlinePage:
    """Read the entries of the events after `after_seq`, as far as one page goes."""
    number = one(connection, NUMBER, session_id).number
    of_session = select(events).where(events.c.session_number == number)
    query = of_session.where(events.c.seq > after_seq).order_by(events.c.seq)
    begun: Begun = {}
    found: list[_Event] = []
    messages: list[int] = []
    calls: list[int] = []
    lanes: Lanes = {}
    through, scanned, has_more = after_seq, 0, False
    for place, row in enumerate(_stream(connection, query.limit(SCANNED_EVENTS + 1))):
        if place == SCANNED_EVENTS or scanned >= SCANNED_CHARS:
            has_more = True
            break
        through = row.seq
        scanned += len(_text_of(row))
        _note_lane(lanes, row)
        if row.event_type == CALL_BEGUN:
            calls.append(row.seq)
            _note_begun(begun, row)
        elif row.event_type == "message":
            messages.append(row.seq)
        if _can_have_entry(row, begun):
            event = rows.to_event(row, session_id)
            fields = event.fields
            found.append(_Event(event, fields, call_key(row.run, fields)))
    commands = sum(call.is_command for call in begun.values())
    wanted = ({each.call for each in found if each.call} | lanes.keys()) - begun.keys()
    if wanted:
        before = of_session.where(
            events.c.seq.between(after_seq - LOOKBACK_EVENTS, after_seq),
            events.c.event_type == CALL_BEGUN,
        )
        begun |= _find_begun(connection, before.order_by(events.c.seq.desc()), wanted)
    entries = [
        outline_entry(
            event.seq, event.run, event.event_type, fields, begun.get(call) if call else None
        )
        for event, fields, call in found
    ]
    return OutlinePage(
        entries=[entry for entry in entries if entry is not None],
        through=through,
        messages=messages,
        calls=calls,
        commands=commands,
        lanes=[
            Lane(run=run, tool_use_id=name, call_seq=_seq_of(begun.get((run, name))), seqs=(*seqs,))
            for (run, name), seqs in lanes.items()
        ],
        has_more=has_more,
    )


def _text_of(row: Row[Any]) -> str:
    """Return the stored fields; a damaged column may hold another type."""
    return row.fields if isinstance(row.fields, str) else ""


def _can_have_entry(row: Row[Any], begun: Begun) -> bool:
    """Return whether an event must be parsed: most ends of calls are those of no edit."""
    if row.event_type in _WITH_ENTRY or _TOLD.search(_text_of(row)):
        return True
    if row.event_type == CALL_ENDED:
        calls = [begun.get((row.run, name)) for name in _ID.findall(_text_of(row))]
        return any(call is None or call.files for call in calls)
    return row.event_type == "message" and _OF_USER in _text_of(row)


def _note_lane(lanes: Lanes, row: Row[Any]) -> None:
    """Add an event to the lane of its subagent, if it belongs to one."""
    if _IN_LANE not in _text_of(row):
        return
    name = rows.readable_fields(row.fields).get("parent_tool_use_id")
    if isinstance(name, str):
        lanes.setdefault((row.run, name), []).append(row.seq)


def _seq_of(call: BegunCall | None) -> int | None:
    return None if call is None else call.seq


def _note_begun(begun: Begun, row: Row[Any]) -> CallKey | None:
    """Add the call that an event begins; return its key."""
    fields = rows.readable_fields(row.fields)
    key = call_key(row.run, fields)
    if key is not None:
        begun[key] = BegunCall(row.seq, fields)
    return key


def _find_begun(connection: Connection, query: Select[Any], wanted: set[CallKey]) -> Begun:
    """Return the begins of these calls, newest first, as far as `query` has them."""
    found: Begun = {}
    for row in _stream(connection, query):
        names = _ID.findall(_text_of(row))
        if any((row.run, name) in wanted for name in names):
            wanted.discard(_note_begun(found, row) or (0, ""))
            if not wanted:
                break
    return found


def _stream(connection: Connection, query: Select[Any]) -> Iterator[Row[Any]]:
    streaming = connection.execution_options(yield_per=_ROWS_AT_ONCE)
    with streaming.execute(query) as found:
        yield from found

"""Reads of the record for the index: new events, names of sessions, deletions, and hits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, bindparam, func, select

from agent_session_manager.search.extract import MAX_TEXTS, EventText, extract
from agent_session_manager.search.facets import facets_of
from agent_session_manager.sql.read.sessions import TEXTS, conditions
from agent_session_manager.sql.schema import rows
from agent_session_manager.sql.schema.tables import AGENT, deleted_sessions, events, feed, sessions
from agent_session_manager.store.queries import SessionFilter

EVENTS_AT_ONCE = 2000
CHARS_AT_ONCE = 4 * 1024 * 1024
NAMES_AT_ONCE = 1000
_ROWS_AT_ONCE = 100

_NEW_EVENTS: Select[Any] = (
    select(
        events.c.number,
        events.c.session_number,
        events.c.event_type,
        events.c.recorded_at,
        events.c.fields,
    )
    .where(events.c.number > bindparam("after"))
    .order_by(events.c.number)
    .limit(EVENTS_AT_ONCE)
    .execution_options(yield_per=_ROWS_AT_ONCE)
)
_TEXTS = {f"text_{place}": column for place, column in enumerate(TEXTS)}
_CHANGED_NAMES: Select[Any] = (
    select(
        sessions.c.number,
        sessions.c.session_name,
        sessions.c.title,
        sessions.c.changed_position,
        *(column.label(name) for name, column in _TEXTS.items()),
    )
    .where(sessions.c.changed_position > bindparam("after"))
    .order_by(sessions.c.changed_position)
    .limit(NAMES_AT_ONCE)
)
_NEWEST = select(func.coalesce(func.max(events.c.number), 0))
_DELETIONS = select(func.coalesce(func.max(deleted_sessions.c.position), 0))
_HITS: Select[Any] = select(
    events.c.number,
    events.c.session_number,
    events.c.seq,
    events.c.run,
    events.c.event_type,
    sessions.c.session_id,
    sessions.c.session_name,
    sessions.c.project_dir,
    sessions.c.agent_name,
    AGENT.label("agent"),
).join_from(events, sessions, sessions.c.number == events.c.session_number)


class NewText(NamedTuple):
    """A text of a new event, ready for the index. A tuple, as `EventText`."""

    number: int
    """Number of the text. The order of texts is that of their events."""
    session_number: int
    occurred_at: int
    """Microseconds since 1970."""
    facets: str
    text: EventText


@dataclass(frozen=True, kw_only=True)
class NewTexts:
    """The texts of the events up to a number."""

    texts: list[NewText]
    through: int
    is_much: bool
    """True if they are at least a half of the most that a step reads."""


def read_generation(connection: Connection) -> str:
    return str(connection.scalar(select(feed.c.generation)))


def read_newest(connection: Connection) -> int:
    """Return the number of the newest event; 0 without events."""
    return int(connection.scalar(_NEWEST) or 0)


def read_deletions(connection: Connection) -> int:
    """Return the position of the last deletion of a session."""
    return int(connection.scalar(_DELETIONS) or 0)


def read_texts(connection: Connection, after: int) -> NewTexts:
    """Read the texts of events after a number, at most `EVENTS_AT_ONCE` and `CHARS_AT_ONCE`."""
    found: list[NewText] = []
    through, count, size = after, 0, 0
    with connection.execute(_NEW_EVENTS, {"after": after}) as new:
        for row in new:
            through, count, size = row[0], count + 1, size + len(row[-1])
            found += _texts_of(*row)
            if size >= CHARS_AT_ONCE:
                break
    is_much = 2 * count >= EVENTS_AT_ONCE or 2 * size >= CHARS_AT_ONCE
    return NewTexts(texts=found, through=through, is_much=is_much)


def first_text(event_number: int) -> int:
    """Return the lowest number that a text of an event can have."""
    return event_number * MAX_TEXTS


def event_of(text_number: int) -> int:
    return text_number // MAX_TEXTS


def _texts_of(
    number: int, session_number: int, event_type: str, recorded_at: int, fields: str
) -> list[NewText]:
    """Return the texts of an event; an event that is damaged has none."""
    try:
        found = []
        for place, text in enumerate(extract(event_type, rows.parse_fields(fields))):
            occurred_at = text.occurred_at or rows.to_moment(recorded_at)
            new = NewText(
                first_text(number) + place,
                session_number,
                rows.to_microseconds(occurred_at),
                " ".join(facets_of(session_number, text, occurred_at)),
                text,
            )
            found.append(new)
    except (ValueError, TypeError, OverflowError, AttributeError):
        return []
    return found


def read_names(connection: Connection, after: int) -> Sequence[Row[Any]]:
    """Read the names of the sessions that changed after a position, in the order of changes."""
    return connection.execute(_CHANGED_NAMES, {"after": after}).all()


def name_of(row: Row[Any]) -> str:
    """Return the text of a session's name and title."""
    return "\n".join(rows.readable_text(part) for part in (row.session_name, row.title) if part)


def filtered_text_of(row: Row[Any]) -> str:
    """Return what the filter `text` searches, with line breaks in between."""
    texts = (getattr(row, name) for name in _TEXTS)
    return "\n".join(rows.readable_text(text) for text in texts if text)


def read_session_numbers(connection: Connection) -> set[int]:
    return set(connection.scalars(select(sessions.c.number)))


def find_sessions(connection: Connection, where: SessionFilter, limit: int) -> list[int] | None:
    """Return the numbers of the sessions that pass a filter; None if there are more than `limit`.

    A filter without values returns None as well.
    """
    required = conditions(where)
    if not required:
        return None
    found = connection.scalars(select(sessions.c.number).where(*required).limit(limit + 1)).all()
    return list(found) if len(found) <= limit else None


def filter_sessions(
    connection: Connection, numbers: Iterable[int], where: SessionFilter
) -> set[int]:
    """Return those of the sessions that exist and pass a filter."""
    query = select(sessions.c.number).where(
        sessions.c.number.in_(list(numbers)), *conditions(where)
    )
    return set(connection.scalars(query))


def read_hits(connection: Connection, texts: Sequence[int]) -> dict[int, Row[Any]]:
    """Return the events of texts that exist, by their texts.

    No filter on sessions: SQLite would read all events of the sessions that pass it.
    """
    numbers = list(dict.fromkeys(map(event_of, texts)))
    query = _HITS.where(events.c.number.in_(numbers))
    found = {row.number: row for row in connection.execute(query)}
    return {text: found[event_of(text)] for text in texts if event_of(text) in found}


def read_named(
    connection: Connection, numbers: Iterable[int], where: SessionFilter
) -> Iterator[Row[Any]]:
    """Yield those of the sessions that exist and pass a filter, the newest first."""
    query: Select[Any] = (
        select(
            sessions.c.session_id,
            sessions.c.session_name,
            sessions.c.project_dir,
            sessions.c.agent_name,
            AGENT.label("agent"),
        )
        .where(sessions.c.number.in_(list(numbers)), *conditions(where))
        .order_by(sessions.c.number.desc())
    )
    yield from connection.execute(query)

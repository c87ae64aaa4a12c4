"""Importing history: sessions and runs that no client of ours drove.

The events of an import pass through the same code as appended events. So they have the same
numbers, checksums and positions in the feed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, insert, select, update

from agent_session_manager.domain.errors import SessionNotFoundError, SessionRunningError
from agent_session_manager.domain.events.event import NewEvent, is_prompt
from agent_session_manager.domain.events.model_request import PriceOf
from agent_session_manager.domain.sessions.names import check_name
from agent_session_manager.domain.sessions.session import (
    Effect,
    Reason,
    effect_of_import,
    state_after,
)
from agent_session_manager.sql.read.current_state import find_current, get_current, newest_run
from agent_session_manager.sql.schema.rows import fork_text, source_text, to_microseconds
from agent_session_manager.sql.schema.tables import events, runs, sessions
from agent_session_manager.sql.write.batch import Writes
from agent_session_manager.sql.write.derived.ancestors import tell_above
from agent_session_manager.sql.write.derived.positions import not_before, take_positions
from agent_session_manager.sql.write.derived.states import set_attention, set_took
from agent_session_manager.sql.write.derived.sums import Sums
from agent_session_manager.sql.write.derived.usage import UsageTold
from agent_session_manager.sql.write.events import SessionInBatch
from agent_session_manager.sql.write.requests import close_waiting
from agent_session_manager.store.history import ImportedHistory, ImportHistory

_IDS_AT_ONCE = 1000
_KNOWN = select(events.c.event_id, events.c.seq, events.c.run).where(
    events.c.session_number == bindparam("number"),
    events.c.event_id.in_(bindparam("event_ids", expanding=True)),
)
_RUNS = select(runs.c.run, runs.c.imported, runs.c.has_total, runs.c.started_at).where(
    runs.c.session_number == bindparam("number")
)


def import_history(
    connection: Connection, change: ImportHistory, *, now: int, sums: Sums, price_of: PriceOf
) -> ImportedHistory:
    """Create the session of an import or find it, and add everything that is new.

    Raises:
        SessionNotFoundError: the session was deleted since its beginning was imported.
        SessionRunningError: a client drives a run of the session.
        InvalidNameError: the title is not a valid name.
    """
    if change.title is not None:
        check_name(change.title)
    found = find_current(connection, change.session_id)
    is_new = found is None
    if found is None:
        if not change.is_beginning:
            raise SessionNotFoundError(change.session_id)
        _create(connection, change, now, sums)
        found = get_current(connection, change.session_id)
    newest = newest_run(found)
    if not (newest.finished or found.imported):
        raise SessionRunningError(change.session_id, newest.run, found.host)
    if change.is_renewal:
        return ImportedHistory(is_new=is_new, events=0, requests=0, last_seq=found.last_seq)
    return _Import(connection, change, found, now, sums).run(is_new, price_of)


def _create(connection: Connection, change: ImportHistory, now: int, sums: Sums) -> None:
    begin = min(_known_moments(change.moments), default=now)
    inserted = connection.execute(
        insert(sessions),
        {
            "session_id": change.session_id,
            "generation": uuid4().hex,
            "session_name": change.title or change.session_id,
            "created_at": begin,
            "list_order": begin,
            "last_activity_at": begin,
            "status": "finished",
            "state": state_after(Reason.LOST).value,
            "last_run": 1,
            "host": change.host,
            "last_seq": 0,
            "unique_name": False,
            "executor": change.executor,
            "created_position": take_positions(connection),
        },
    )
    assert inserted.inserted_primary_key is not None
    number = inserted.inserted_primary_key[0]
    sums.note_new_session(number)
    _insert_run(connection, number, 1, begin, change.host, sums)


def _insert_run(
    connection: Connection, number: int, run: int, begin: int, host: str | None, sums: Sums
) -> None:
    sums.note_new_run(number, run)
    connection.execute(
        insert(runs),
        {
            "session_number": number,
            "run": run,
            "started_at": begin,
            "finished_at": begin,
            "reason": Reason.LOST.value,
            "host": host,
            "imported": True,
        },
    )


def _known_moments(moments: Sequence[datetime | None]) -> Iterator[int]:
    return (to_microseconds(moment) for moment in moments if moment is not None)


class _Import:
    """One import into a session, whose row is `found`."""

    def __init__(
        self,
        connection: Connection,
        change: ImportHistory,
        found: Row[Any],
        now: int,
        sums: Sums,
    ) -> None:
        self._connection = connection
        self._change = change
        self._found = found
        self._number: int = found.number
        self._now = now
        self._sums = sums
        self._runs = {row.run: row for row in connection.execute(_RUNS, {"number": self._number})}
        self._newest: int = found.last_run
        self._is_open = found.finished_at is None
        self._moments = list(_known_moments(change.moments))

    def run(self, is_new: bool, price_of: PriceOf) -> ImportedHistory:
        change = self._change
        known = {} if is_new else self._known_events()
        runs_of_events = self._assign_runs({name: row.run for name, row in known.items()})
        new = [
            event._replace(run=run, end=None, usage=None, question=None)
            for event, run in zip(change.events, runs_of_events, strict=True)
            if not self._is_left_out(event)
        ]
        self._open_run(is_new)
        session = SessionInBatch(
            get_current(self._connection, change.session_id),
            {name: row.seq for name, row in known.items()},
        )
        writes = Writes()
        session.append(new, writes, self._now)
        if not writes.insert_events(self._connection):
            raise RuntimeError("an event id is stored, but the query for it did not find it")
        writes.sessions.clear()  # `_update_session` sets them, with the times of the source
        writes.usage += self._usage_told([*runs_of_events, self._newest])
        requests = writes.update_the_rest(self._connection, self._sums, price_of)
        self._finish_run()
        self._update_session(session.last_seq)
        return ImportedHistory(
            is_new=is_new,
            events=len(writes.events),
            requests=requests,
            last_seq=session.last_seq,
        )

    def _known_events(self) -> dict[str, Any]:
        ids = [event.event_id for event in self._change.events if event.event_id is not None]
        return {
            row.event_id: row
            for start in range(0, len(ids), _IDS_AT_ONCE)
            for row in self._connection.execute(
                _KNOWN,
                {"number": self._number, "event_ids": ids[start : start + _IDS_AT_ONCE]},
            )
        }

    def _assign_runs(self, known: dict[str, int]) -> list[int]:
        """Return the run of each event. It may be the next run, which is not open yet."""
        imported = {run for run, row in self._runs.items() if row.imported}
        current = self._newest
        assigned = []
        for event in self._change.events:
            stored = known.get(event.event_id or "")
            if stored is not None:
                current = stored
            elif current not in imported and is_prompt(event) and not self._is_left_out(event):
                current = self._newest
                if current not in imported:
                    current = self._newest = self._newest + 1
                    imported.add(current)
            assigned.append(current)
        return assigned

    @property
    def _is_own(self) -> bool:
        """True if no client drove the newest run."""
        row = self._runs.get(self._newest)
        return row is None or row.imported

    @property
    def _end(self) -> Reason | None:
        """The end that the newest run gets; None: it keeps what it has."""
        if not self._is_own:
            return None
        end = self._change.reason
        if self._newest not in self._runs:
            end = end or Reason.LOST
        effect = effect_of_import(is_open=self._is_open, end=end)
        return end if effect is Effect.CLOSE else None

    def _is_left_out(self, event: NewEvent) -> bool:
        """Return whether an event is a copy, and the session a fork that a client recorded.

        Such a fork begins with its own events. Copies would follow them.
        """
        is_recorded = any(not row.imported for row in self._runs.values())
        return is_recorded and event.fields.get("inherited") is True

    def _open_run(self, is_new: bool) -> None:
        """Open the run of the import, if its events need one."""
        if is_new or self._newest in self._runs:
            return
        begin = min(self._moments, default=self._now)
        close_waiting(self._connection, self._number, up_to_run=self._newest, now=self._now)
        _insert_run(
            self._connection, self._number, self._newest, begin, self._change.host, self._sums
        )
        self._sums.note_sessions([self._number])
        self._connection.execute(
            update(sessions)
            .where(sessions.c.number == self._number)
            .values(last_run=self._newest, host=self._change.host)
        )

    def _usage_told(self, runs_at: Sequence[int]) -> Iterator[UsageTold]:
        for placed in self._change.requests:
            run = runs_at[max(placed.place - 1, 0)]
            row = self._runs.get(run)
            yield UsageTold(
                self._number,
                run,
                placed.request,
                is_covered=row is not None and row.has_total,
                is_imported=True,
            )

    def _finish_run(self) -> None:
        """Set the end of the newest run, if it was imported."""
        if not self._is_own:
            return
        run = (runs.c.session_number == self._number) & (runs.c.run == self._newest)
        self._sums.note_runs([(self._number, self._newest)])
        values: dict[str, Any] = {}
        moments = self._moments
        if (end := self._end) is not None:
            values = {"reason": end.value, "lease_holder": None, "lease_expires_at": None}
            moments = moments or ([self._now] if self._is_open else [])
        if moments and not (self._is_open and end is None):
            values["finished_at"] = not_before(self._least_end(end), max(moments))
        if values:
            self._connection.execute(update(runs).where(run).values(values))

    def _least_end(self, end: Reason | None) -> ColumnElement[int]:
        """Return the end that is known, or else the begin.

        The end of a lease is no end of a turn: it can be hours later. Its holder is still recorded.
        """
        has_expired = not self._is_open and self._found.lease_holder is not None
        if end is not None and has_expired:
            return runs.c.started_at
        return func.coalesce(runs.c.finished_at, runs.c.started_at)

    def _update_session(self, last_seq: int) -> None:
        values: dict[str, Any] = {
            "last_seq": last_seq,
            "changed_position": take_positions(self._connection),
            **self._facts(),
        }
        if (end := self._end) is not None:
            values |= {"state": state_after(end).value, "status": "finished"}
        if self._moments:
            latest = max(self._found.last_activity_at, *self._moments)
            values["last_activity_at"] = latest
        if values.keys() & {"project_dir"}:
            self._sums.note_sessions([self._number])
        self._connection.execute(
            update(sessions).where(sessions.c.number == self._number).values(values)
        )
        set_attention(self._connection, [self._number])
        set_took(self._connection, [self._number])
        tell_above(self._connection, [self._number])

    def _facts(self) -> dict[str, Any]:
        """Return the columns that describe the session. A given name or project is kept."""
        change, found = self._change, self._found
        values: dict[str, Any] = {}
        if change.title is not None and change.title != found.title:
            values["title"] = change.title
            if found.session_name in (found.title, change.session_id):
                values["session_name"] = change.title
        if change.source is not None:
            values["source"] = source_text(change.source)
        if change.forked_from is not None:
            values["forked_from"] = fork_text(change.forked_from)
        for name in ("project_dir", "parent_session_id"):
            given = getattr(change, name)
            if given is not None and getattr(found, name) is None:
                values[name] = given
        return values

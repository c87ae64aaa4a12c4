"""Import of an export: all of it or nothing, in one transaction of the owner of the database.

Imported rows get new numbers, positions and generations. The import is a new record of the same
sessions, so cursors of the exported database are not valid here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO
from uuid import uuid4

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from agent_session_manager.domain.sessions.names import reserved_name
from agent_session_manager.sql.care.verify import refuse_damaged
from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.database.engines.open import open_database
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.migrate import migrate
from agent_session_manager.sql.schema.checksums import event_checksum
from agent_session_manager.sql.schema.derived import (
    DERIVED_OF_SESSIONS,
    all_questions,
)
from agent_session_manager.sql.schema.tables import questions, sessions, transcripts
from agent_session_manager.sql.transfer.format import ImportRefusedError, line_refused
from agent_session_manager.sql.transfer.kinds import (
    ENTRY,
    EVENT,
    KINDS,
    NOTICE,
    REQUEST,
    RUN,
    SESSION,
    SUMMARY,
    TRANSCRIPT,
    USAGE_FACT,
    Kind,
)
from agent_session_manager.sql.transfer.lines import Line, read_lines
from agent_session_manager.sql.transfer.usage_facts import derive_facts, replace_facts
from agent_session_manager.sql.write.derived.positions import take_positions
from agent_session_manager.sql.write.derived.sums import Sums

_ROWS_AT_ONCE = 500
_SHOWN = 20
_ORDER = {kind: place for place, kind in enumerate(KINDS.values())}
_PARENT = {
    **dict.fromkeys((RUN, REQUEST, NOTICE, EVENT, USAGE_FACT), SESSION),
    **dict.fromkeys((ENTRY, SUMMARY), TRANSCRIPT),
}
_KEY = {SESSION: ("session_id",), TRANSCRIPT: ("project_key", "session_id", "subpath")}
_FIND = {
    kind: select(kind.table.c.number).where(
        *(kind.table.c[name] == bindparam(name) for name in names)
    )
    for kind, names in _KEY.items()
}
_ABOVE = select(sessions.c.number).where(
    sessions.c.session_id == bindparam("session_id"), sessions.c.number < bindparam("below")
)
_LAST_TOUCHED = case(
    (sessions.c.archived_at > sessions.c.last_activity_at, sessions.c.archived_at),
    else_=sessions.c.last_activity_at,
)
_HOLDER = select(sessions.c.session_id, sessions.c.number).where(
    sessions.c.reserved_project == bindparam("project"),
    sessions.c.reserved_name == bindparam("name"),
)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The result of an import."""

    counts: dict[str, int]
    """Number of imported lines of each kind."""
    skipped: list[str]
    """The sessions and transcripts that existed already; they were not changed."""


def import_export(
    url: str,
    lines: BinaryIO,
    *,
    skip_existing: bool = False,
    progress: Callable[[int], None] = lambda _read: None,
) -> Imported:
    """Import `lines` into a new or existing database. The import is durable when this returns.

    After an error, the database is unchanged.

    Raises:
        ImportRefusedError: `lines` is not a valid export, or a part of it exists already.
        DatabaseInUseError: a manager serves the database.
        DatabaseError: the database cannot be used.
    """
    database = open_database(url)
    try:
        refuse_damaged(database)
        migrate(database)
        return _take_in(database, lines, skip_existing, progress)
    except DBAPIError as exc:
        raise DatabaseError(f"nothing was imported: {exc.orig}") from exc
    finally:
        database.close()


def _take_in(
    database: Database, lines: BinaryIO, skip_existing: bool, progress: Callable[[int], None]
) -> Imported:
    with database.writing.begin() as connection:
        importing = _Importing(connection, skip_existing=skip_existing)
        for line in read_lines(lines, progress):
            importing.take(line)
        importing.finish()
        database.notify_of_everything(connection)
    return Imported(counts=importing.counts, skipped=list(importing.existing))


@dataclass
class _Owner:
    """The session or transcript whose lines are being read."""

    kind: Kind
    row: dict[str, Any]
    number: int | None
    """Number of its row in this database; None: it is skipped because it exists already."""
    seen: dict[Kind, int] = field(default_factory=dict)
    """Number of its lines read so far, by kind."""
    masked: int = 0
    """Number of masked secrets in its events, including those that the import has masked."""

    @property
    def name(self) -> str:
        return f"{self.kind.name} {' '.join(repr(self.row[key]) for key in _KEY[self.kind])}"


class _Importing:
    """The transaction of an import, which takes one line after the other."""

    def __init__(self, connection: Connection, *, skip_existing: bool) -> None:
        self._connection = connection
        self._skip_existing = skip_existing
        self._before = {
            table: connection.scalar(select(func.coalesce(func.max(table.c.number), 0)))
            for table in (sessions, transcripts)
        }
        self._sums = Sums(connection)
        self._sums.note_new_facts_after(self._before[sessions] or 0)
        self._owner: _Owner | None = None
        self._latest = 0
        self._waiting: list[Line] = []
        self.counts = {kind.counted: 0 for kind in KINDS.values()}
        self.existing: dict[str, None] = {}
        """Names of the skipped sessions and transcripts, in the order of the lines."""

    def take(self, line: Line) -> None:
        """Import the next line.

        Raises:
            ImportRefusedError: the line is in the wrong place.
        """
        number, kind, row = line
        if kind in _PARENT:
            self._take_part(number, kind, row)
            return
        self._end_owner(number)
        if self._owner is not None and _ORDER[kind] < _ORDER[self._owner.kind]:
            raise line_refused(number, f"a {kind.name} comes after the first transcript")
        self._owner = self._open(number, kind, row)

    def finish(self) -> None:
        """Finish the last session or transcript, and the import.

        Raises:
            ImportRefusedError: a part exists already and existing parts are not skipped.
        """
        self._end_owner(None)
        if self.existing and not self._skip_existing:
            shown = ", ".join(islice(self.existing, _SHOWN))
            more = len(self.existing) - _SHOWN
            raise ImportRefusedError(
                f"these exist already: {shown}{f' and {more} more' if more > 0 else ''}; "
                "nothing was changed. To import all others: --skip-existing"
            )
        self._give_positions()
        self._connection.execute(
            insert(questions).from_select(
                questions.c.keys(),
                all_questions().where(sessions.c.number > self._before[sessions]),
            )
        )
        self._connection.execute(
            update(sessions)
            .where(sessions.c.number > self._before[sessions])
            .values(DERIVED_OF_SESSIONS)
        )
        self._sums.write()

    def _open(self, number: int, kind: Kind, row: dict[str, Any]) -> _Owner:
        key = {name: row[name] for name in _KEY[kind]}
        found = self._connection.scalar(_FIND[kind], key)
        owner = _Owner(kind=kind, row=row, number=None)
        if found is not None and found > self._before[kind.table]:
            raise line_refused(number, f"{owner.name} occurs twice")
        if found is not None:
            if owner.name in self.existing:
                raise line_refused(number, f"{owner.name} occurs twice")
            self.existing[owner.name] = None
            return owner
        values = row | self._reservation(number, row) if kind is SESSION else row
        inserted = self._connection.execute(insert(kind.table), values)
        assert inserted.inserted_primary_key is not None
        number = inserted.inserted_primary_key[0]
        owner.number = number
        if kind is SESSION:
            self._sums.note_new_session(number)
        self.counts[kind.counted] += 1
        return owner

    def _place_of(self, row: dict[str, Any]) -> int:
        """Return the place of a session in lists: the order of the lines, if no clock was wrong."""
        created_at: int = row["created_at"]
        if row["source"] is not None:
            return created_at
        self._latest = max(self._latest, created_at)
        return self._latest

    def _reservation(self, number: int, row: dict[str, Any]) -> dict[str, Any]:
        """Return the columns of a session that are not in its line."""
        added: dict[str, Any] = {"generation": uuid4().hex, "list_order": self._place_of(row)}
        if not row["unique_name"] or row["archived_at"] is not None:
            return added
        wanted = {"project": row["project_dir"] or "", "name": reserved_name(row["session_name"])}
        holder = self._connection.execute(_HOLDER, wanted).one_or_none()
        if holder is not None:
            is_here = holder.number <= self._before[sessions]
            where = "in this database" if is_here else "in the export"
            raise line_refused(
                number,
                f"session {row['session_id']!r} reserves the name {row['session_name']!r} in its "
                f"project, as does {holder.session_id!r} {where}: rename or archive one of them",
            )
        return added | {"reserved_project": wanted["project"], "reserved_name": wanted["name"]}

    def _take_part(self, number: int, kind: Kind, row: dict[str, Any]) -> None:
        owner = self._owner
        if owner is None or owner.kind is not _PARENT[kind]:
            raise line_refused(number, f"this {kind.name} has no {_PARENT[kind].name} before it")
        if any(_ORDER[kind] < _ORDER[seen] for seen in owner.seen):
            raise line_refused(number, f"a {kind.name} of {owner.name} is out of order")
        place = owner.seen[kind] = owner.seen.get(kind, 0) + 1
        problem = _misplaced(kind, row, place, owner)
        if problem:
            raise line_refused(number, f"{problem} in {owner.name}")
        if owner.number is None:
            return
        if self._waiting and self._waiting[0][1] is not kind:
            self._write()
        added = self._added(kind, row, owner)
        if added is None:
            return
        self._waiting.append((number, kind, row | added))
        if len(self._waiting) == _ROWS_AT_ONCE:
            self._write()

    def _added(self, kind: Kind, row: dict[str, Any], owner: _Owner) -> dict[str, Any] | None:
        """Return the columns of a part that are not in its line; None: it has no place here."""
        column = "session_number" if owner.kind is SESSION else "transcript_number"
        added: dict[str, Any] = {column: owner.number}
        if kind is NOTICE:
            above = {"session_id": owner.row["parent_session_id"], "below": owner.number}
            added["parent_number"] = self._connection.scalar(_ABOVE, above)
            if added["parent_number"] is None:  # its parent was deleted or not exported
                return None
        if kind is ENTRY:
            added["size"] = len(row["line"].encode())
        if kind is EVENT:
            owner.masked += _masked_in(row["fields"])
            added["checksum"] = event_checksum(
                owner.row["session_id"],
                row["seq"],
                row["event_id"],
                row["run"],
                int(row["late"]),
                row["event_type"],
                row["recorded_at"],
                row["fields"].encode(),
            )
        return added

    def _write(self) -> None:
        if not self._waiting:
            return
        (first, kind, _), (last, _, _) = self._waiting[0], self._waiting[-1]
        rows = [row for _, _, row in self._waiting]
        if kind is USAGE_FACT:
            rows = replace_facts(self._connection, rows, after=self._before[sessions] or 0)
        try:
            if rows:
                self._connection.execute(insert(kind.table), rows)
        except IntegrityError as exc:
            lines = f"lines {first} to {last}"
            raise ImportRefusedError(
                f"{lines}: the same {kind.name} occurs twice; nothing was changed"
            ) from exc
        if kind is RUN:
            for _, _, row in self._waiting:
                self._sums.note_new_run(row["session_number"], row["run"])
        if kind is EVENT:
            assert self._owner is not None
            derive_facts(self._connection, self._owner.row["session_id"], rows)
        self.counts[kind.counted] += len(self._waiting)
        self._waiting.clear()

    def _end_owner(self, number: int | None) -> None:
        """Finish the session or transcript before this line; raise if it is incomplete."""
        self._write()
        owner = self._owner
        if owner is None:
            return
        expected = (
            {RUN: owner.row["last_run"], EVENT: owner.row["last_seq"]}
            if owner.kind is SESSION
            else {ENTRY: owner.row["last_position"]}
        )
        for kind, count in expected.items():
            seen = owner.seen.get(kind, 0)
            if seen != count:
                problem = f"{owner.name} has {seen} {kind.counted} instead of {count}"
                where = "the end" if number is None else f"line {number}"
                raise ImportRefusedError(f"before {where}: {problem}; nothing was changed")
        if owner.number is not None and owner.masked > owner.row.get("masked_secrets", 0):
            self._connection.execute(
                update(sessions)
                .where(sessions.c.number == owner.number)
                .values(masked_secrets=owner.masked)
            )

    def _give_positions(self) -> None:
        """Give the sessions feed positions: first all creations, then all last changes."""
        count = self.counts[SESSION.counted]
        if not count:
            return
        first = take_positions(self._connection, 2 * count)
        orders: dict[str, list[ColumnElement[Any]]] = {
            "created_position": [sessions.c.number],
            "changed_position": [_LAST_TOUCHED, sessions.c.number],
        }
        for column, order in orders.items():
            ranked = (
                select(sessions.c.number, func.row_number().over(order_by=order).label("place"))
                .where(sessions.c.number > self._before[sessions])
                .subquery()
            )
            self._connection.execute(
                update(sessions)
                .where(sessions.c.number == ranked.c.number)
                .values({column: first - 1 + ranked.c.place})
            )
            first += count


def _masked_in(fields: str) -> int:
    if '"masked_secrets"' not in fields:
        return 0
    return int(orjson.loads(fields).get("masked_secrets") or 0)


def _misplaced(kind: Kind, row: dict[str, Any], place: int, owner: _Owner) -> str | None:
    """Return the problem with the place of a line, or None."""
    if kind is RUN and row["run"] != place:
        return f"run {row['run']} instead of run {place}"
    if kind is EVENT and row["seq"] != place:
        return f"event {row['seq']} instead of event {place}"
    if kind is ENTRY and row["position"] != place:
        return f"entry {row['position']} instead of entry {place}"
    if kind is SUMMARY and place > 1:
        return "a second summary"
    if kind in (REQUEST, NOTICE, EVENT, USAGE_FACT) and row["run"] > owner.row["last_run"]:
        return f"{kind.name} of run {row['run']}, which does not exist,"
    return None

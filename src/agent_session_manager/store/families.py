"""Run tokens and the families of their sessions, in SQL for both databases."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    literal,
    select,
)

from agent_session_manager.domain.errors import NotForRunsError
from agent_session_manager.domain.run_token import RunCaller
from agent_session_manager.store.base import CreateSession, RevokeRunToken
from agent_session_manager.store.current import get_current
from agent_session_manager.store.tables import run_tokens, sessions, transcripts

_CALLER = (
    select(sessions.c.session_id, sessions.c.number, run_tokens.c.run)
    .join(sessions, sessions.c.number == run_tokens.c.session_number)
    .where(run_tokens.c.digest == bindparam("digest"))
)

# From a session upwards: as far as its line is long, however large a family is.
_line = (
    select(sessions.c.number, sessions.c.parent_session_id)
    .where(sessions.c.session_id == bindparam("session_id"))
    .cte("line", recursive=True)
)
_parents = sessions.alias("parents")
_line = _line.union_all(
    select(_parents.c.number, _parents.c.parent_session_id).join(
        _line,
        and_(
            _parents.c.session_id == _line.c.parent_session_id,
            _parents.c.number < _line.c.number,
        ),
    )
)
_IS_IN_FAMILY = select(literal(1, Integer)).where(
    exists().where(_line.c.number == bindparam("ancestor"))
)
_IS_SPOKEN_FOR = select(literal(1, Integer)).where(
    exists().where(sessions.c.parent_session_id == bindparam("session_id"))
    | exists().where(transcripts.c.session_id == bindparam("session_id"))
)


class SqlRunTokens:
    """Reads through connections that `read` lends."""

    def __init__(self, read: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._read = read

    def find_caller(self, digest: str) -> RunCaller | None:
        with self._read() as connection:
            found = connection.execute(_CALLER, {"digest": digest}).one_or_none()
        if found is None:
            return None
        return RunCaller(session_id=found.session_id, session_number=found.number, run=found.run)

    def is_in_family(self, caller: RunCaller, session_id: str) -> bool:
        with self._read() as connection:
            return _is_in_family(connection, caller, session_id)

    def list_family(self, caller: RunCaller) -> dict[str, str]:
        query = select(sessions.c.session_id, sessions.c.generation).where(is_below(caller))
        with self._read() as connection:
            return {row.session_id: row.generation for row in connection.execute(query)}


def is_below(caller: RunCaller) -> ColumnElement[bool]:
    """Whether a row of `sessions` is of the caller's family."""
    known = sessions.alias("known")
    family = (
        select(known.c.number, known.c.session_id)
        .where(known.c.number == caller.session_number)
        .cte("family", recursive=True)
    )
    children = sessions.alias("children")
    family = family.union_all(
        select(children.c.number, children.c.session_id).join(
            family,
            and_(
                children.c.parent_session_id == family.c.session_id,
                children.c.number > family.c.number,
            ),
        )
    )
    return sessions.c.number.in_(select(family.c.number))


def parent_for(connection: Connection, new: CreateSession) -> str | None:
    """The parent of a session that is to be created; one that a run creates is below its own.

    Raises:
        NotForRunsError: the run asked for another parent, or for an id under which there is
            something already: it would get at that.
    """
    caller = new.caller
    if caller is None:
        return new.parent_session_id
    parent = new.parent_session_id or caller.session_id
    if not _is_in_family(connection, caller, parent):
        raise NotForRunsError("a run creates sessions below its own, and nowhere else")
    if connection.scalar(_IS_SPOKEN_FOR, {"session_id": new.session_id}):
        raise NotForRunsError("this id is in use: a run creates sessions under ids that are not")
    return parent


def insert_run_token(connection: Connection, number: int, run: int, digest: str) -> None:
    values = {"digest": digest, "session_number": number, "run": run}
    connection.execute(insert(run_tokens), values)


def revoke_run_token(connection: Connection, change: RevokeRunToken) -> int:
    current = get_current(connection, change.session_id)
    revoked = connection.execute(
        delete(run_tokens).where(
            run_tokens.c.session_number == current.number, run_tokens.c.run == change.run
        )
    )
    return revoked.rowcount


def _is_in_family(connection: Connection, caller: RunCaller, session_id: str) -> bool:
    where = {"session_id": session_id, "ancestor": caller.session_number}
    return connection.scalar(_IS_IN_FAMILY, where) is not None

"""Run tokens and the families of their sessions, in SQL for both databases."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import PurePosixPath

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    and_,
    bindparam,
    exists,
    func,
    literal,
    select,
)

from agent_session_manager.domain.errors import NotForRunsError, TooDeepError
from agent_session_manager.domain.sessions.run_token import RunCaller
from agent_session_manager.sql.schema.tables import run_tokens, sessions, transcripts
from agent_session_manager.store.changes import CreateSession

_CALLER = (
    select(sessions.c.session_id, sessions.c.number, run_tokens.c.run)
    .join(sessions, sessions.c.number == run_tokens.c.session_number)
    .where(run_tokens.c.digest == bindparam("digest"))
)

# The query goes from a session up to its ancestors, so its cost does not depend on the family size.
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
    exists().where(sessions.c.session_id == bindparam("session_id"))
    | exists().where(sessions.c.parent_session_id == bindparam("session_id"))
    | exists().where(transcripts.c.session_id == bindparam("session_id"))
)
_COUNT_ANCESTORS = select(func.count()).select_from(_line)
MAX_LEVELS = 5
"""Maximum number of sessions above one that a run creates."""
_PROJECT = select(sessions.c.project_dir).where(sessions.c.number == bindparam("number"))
_UUID = re.compile("[0-9a-f]{8}(-?)[0-9a-f]{4}\\1[0-9a-f]{4}\\1[0-9a-f]{4}\\1[0-9a-f]{12}")
"""The form of ids that a run may use: another id could equal a session's name or a file name."""


class SqlRunTokens:
    """Reads through connections from `read`."""

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
    """Return the condition that a row of `sessions` is in the caller's family."""
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
    """Return the parent of a new session. The default for a run is the run's own session.

    This check comes first and has only one error text. So a run learns nothing about other
    sessions, and gets no access to data that exists under an id already.

    Raises:
        NotForRunsError: the id is not a UUID or is in use outside the family. Or the parent is not
            in the family, or the project is not the run's own.
        TooDeepError: the parent is `MAX_LEVELS` levels deep already.
    """
    caller = new.caller
    if caller is None:
        return new.parent_session_id
    parent = new.parent_session_id or caller.session_id
    own_project = connection.scalar(_PROJECT, {"number": caller.session_number})
    where = {"session_id": new.session_id}
    if (
        _UUID.fullmatch(new.session_id) is None
        or not _is_in_family(connection, caller, parent)
        or not _may_create_in(own_project, new)
        or (
            connection.scalar(_IS_SPOKEN_FOR, where)
            and not _is_in_family(connection, caller, new.session_id)
        )
    ):
        raise NotForRunsError(
            "a run may create sessions only with a new UUID, below its own session and in its own "
            "project"
        )
    if (connection.scalar(_COUNT_ANCESTORS, {"session_id": parent}) or 0) > MAX_LEVELS:
        raise TooDeepError(MAX_LEVELS)
    return parent


def _may_create_in(own_project: str | None, new: CreateSession) -> bool:
    """Return whether the new session is in the run's project or in a directory below it.

    A session without a project is allowed if the run has none, or if it reserves no name.
    """
    if new.project_dir is None:
        return own_project is None or not new.unique_name
    project = PurePosixPath(new.project_dir)
    return (
        own_project is not None
        and ".." not in project.parts
        and project.is_relative_to(own_project)
    )


def _is_in_family(connection: Connection, caller: RunCaller, session_id: str) -> bool:
    where = {"session_id": session_id, "ancestor": caller.session_number}
    return connection.scalar(_IS_IN_FAMILY, where) is not None

"""The states of sessions, and what they expect of a person: derived values of their rows."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Update, bindparam, update

from agent_session_manager.domain.sessions.attention import AttentionKind
from agent_session_manager.sql.read.attention import SILENT, silence
from agent_session_manager.sql.schema.derived import (
    ATTENTION_OF_NEWEST_RUN,
    STATE_OF_NEWEST_RUN,
    TOOK_OF_RUNS,
)
from agent_session_manager.sql.schema.tables import sessions
from agent_session_manager.sql.write.derived.ancestors import tell
from agent_session_manager.store.changes import MarkQuiet

_AT_ONCE = 500
_SOME = update(sessions).where(sessions.c.number.in_(bindparam("numbers", expanding=True)))
_SET_STATE = _SOME.values(state=STATE_OF_NEWEST_RUN)
_SET_ATTENTION = _SOME.values(attention=ATTENTION_OF_NEWEST_RUN)
_SET_TOOK = _SOME.values(took_microseconds=TOOK_OF_RUNS)
_SET_QUIET = _SOME.values(attention=AttentionKind.QUIET.value)


def set_states(connection: Connection, numbers: Iterable[int]) -> None:
    """Set the states and the attention of these sessions from their newest runs and questions."""
    numbers = set(numbers)
    _execute(connection, _SET_STATE, numbers)
    set_attention(connection, numbers)


def set_attention(connection: Connection, numbers: Iterable[int]) -> None:
    """Set what these sessions expect of a person. A session that was quiet is so no more."""
    _execute(connection, _SET_ATTENTION, numbers)


def set_took(connection: Connection, numbers: Iterable[int]) -> None:
    """Set how long the ended runs of these sessions took."""
    _execute(connection, _SET_TOOK, set(numbers))


def mark_quiet(connection: Connection, change: MarkQuiet) -> list[str]:
    """Mark the running sessions that were silent for long; return their ids."""
    moments = silence(change.silent_since, change.in_call_since)
    silent = connection.execute(SILENT.with_for_update(of=sessions), moments).all()
    numbers = [row.number for row in silent]
    _execute(connection, _SET_QUIET, numbers)
    tell(connection, numbers)
    return [row.session_id for row in silent]


def _execute(connection: Connection, statement: Update, numbers: Iterable[int]) -> None:
    of = sorted(numbers)
    for start in range(0, len(of), _AT_ONCE):
        connection.execute(statement, {"numbers": of[start : start + _AT_ONCE]})

"""The SQL implements every change that a store accepts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent_session_manager.sql.write.transaction import _MADE_BY
from agent_session_manager.store.change import Change, SessionChange, SessionsChange
from agent_session_manager.store.changes import AppendEvents


def all_changes(of: type[Change[Any]] = Change) -> Iterator[type[Change[Any]]]:
    for change in of.__subclasses__():
        yield change
        yield from all_changes(change)


def test_every_change_is_implemented() -> None:
    assert set(all_changes()) - {SessionChange, SessionsChange} == {*_MADE_BY, AppendEvents}

"""Every change that a store can be asked for is one that the SQL makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent_session_manager.sql.write.transaction import _MADE_BY
from agent_session_manager.store.change import Change, SessionChange
from agent_session_manager.store.changes import AppendEvents


def all_changes(of: type[Change[Any]] = Change) -> Iterator[type[Change[Any]]]:
    for change in of.__subclasses__():
        yield change
        yield from all_changes(change)


def test_every_change_is_made() -> None:
    assert set(all_changes()) - {SessionChange} == {*_MADE_BY, AppendEvents}

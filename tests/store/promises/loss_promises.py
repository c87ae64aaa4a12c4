"""Promise 14 of `store/protocol.py`: new events are not stored before lost ones."""

from __future__ import annotations

from dataclasses import replace

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import RecordBehindError
from agent_session_manager.store.changes import AppendEvents
from agent_session_manager.store.protocol import Store
from tests.store.promises.changes import appending, create, kinds, seqs_of
from tests.store.promises.events import SOME
from tests.store.promises.stepped_clock import SteppedClock


def knowing(generation: str, seq: int) -> AppendEvents:
    return replace(appending("s", SOME), known=Cursor(generation=generation, number=seq))


def promise_14_append_is_refused_if_the_session_is_behind(
    store: Store, clock: SteppedClock
) -> None:
    own = create(store).generation
    outcomes = store.commit([knowing(own, 0), knowing(own, 1), knowing(own, 1)])
    assert outcomes == [[1], [2], [3]]
    # Each change sees the effects of earlier changes in its batch. A refusal has no effect.
    behind = store.commit(
        [knowing(own, 4), knowing("f" * 32, 0), knowing(own, 3), knowing(own, 4), knowing(own, 9)]
    )
    refused = RecordBehindError
    assert kinds(behind) == [refused, refused, list, list, refused]
    assert seqs_of(store) == [1, 2, 3, 4, 5]

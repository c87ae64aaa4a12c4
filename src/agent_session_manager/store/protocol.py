"""What a store is and what it promises.

The promises are numbered; `tests/store/promises/conformance.py` carries the same numbers.

1. `commit` returns once every change of the batch is durable, and changes take effect in order.
2. Outcomes are per change: one that is refused leaves no trace and its neighbours untouched.
3. The events of a session are numbered 1, 2, 3, … without gaps, in the order of commit.
4. An `event_id` that the session has already answers with the stored seq and changes nothing,
   also within one batch and one list.
5. Only the newest run changes the state of its session, by the rules of `domain/session.py`.
6. A reserved name is held by one session of its project, until it is archived or deleted.
7. Pages of a list hold every session once, newest first, whatever is created meanwhile.
8. Deleting a session deletes all of its own; its id can be used again.
9. One holder has the lease on a run. It is reaped as `lost` once it has expired, and is taken up
   again by its own holder as long as there is no newer run.
10. A request is kept from when it was asked until its session is deleted, once per id. The end of
   its run expires what was not done; of a run that was lost, only its true end or a newer run.

11. Every change of a session gives it a position in the feed of all sessions, higher than any that
   was visible before; a deletion has one too. A reader that asks for what is past its position
   misses nothing, or is told that too much was deleted since.
12. The token that a run was opened with is known by its digest until it is revoked or its session
   is deleted, whatever becomes of the run. A run creates sessions below its own and nowhere else.
13. Retention archives and deletes only what nobody uses: a session that runs, that somebody holds,
   that had activity since or that has a child which is not archived stays as it is.
14. Events whose sender knows more of their session than there is are refused: those that are
   missing, because an older state was put back, can then come before them.

What is promised of transcripts is in `store/transcripts.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Protocol

from agent_session_manager.domain.request import Request, RequestState
from agent_session_manager.domain.session import Run, Session, Status
from agent_session_manager.store.change import Change
from agent_session_manager.store.feeds import FeedReads
from agent_session_manager.store.queries import (
    EventFilter,
    EventPage,
    Mark,
    SessionFilter,
    SessionPage,
    SessionSort,
)
from agent_session_manager.store.retention import RetentionReads
from agent_session_manager.store.run_tokens import RunTokenReads
from agent_session_manager.store.space import Space
from agent_session_manager.store.statistics import StatisticsReads
from agent_session_manager.store.transcripts import TranscriptReads

Notice = Callable[[Collection[str] | None], None]

READERS = 4
"""Number of reads that a store can do at once."""


class Store(Protocol):
    """Durable state. Its methods block: call them in a thread; `commit` from one at a time."""

    def commit(self, changes: Sequence[Change[Any]]) -> list[Any]:
        """Return the outcome of each change, or the `OrchestratorError` by which it was refused."""

    def get_session(self, session_id: str) -> Session: ...

    def get_status(self, session_id: str) -> Status: ...

    def get_result(self, session_id: str) -> str: ...

    def list_sessions(
        self,
        where: SessionFilter,
        *,
        limit: int,
        sort: SessionSort = SessionSort.CREATED,
        after: Mark | None = None,
    ) -> SessionPage: ...

    def list_events(self, session_id: str, where: EventFilter, *, limit: int) -> EventPage: ...

    def list_runs(self, session_id: str) -> list[Run]: ...

    def list_requests(
        self, session_id: str, run: int, *, state: RequestState | None = None
    ) -> list[Request]: ...

    @property
    def transcripts(self) -> TranscriptReads: ...

    @property
    def feeds(self) -> FeedReads: ...

    @property
    def retention(self) -> RetentionReads: ...

    @property
    def statistics(self) -> StatisticsReads: ...

    @property
    def run_tokens(self) -> RunTokenReads: ...

    def next_expiry(self) -> datetime | None: ...

    def watch(self, notice: Notice) -> None:
        """Say from now on which sessions others change in the same database, from a thread.

        What was missed, as the database was away, is said as None: anything may have changed.
        """

    def free_some(self, pages: int) -> Space:
        """Give so many pages back that hold nothing, and say how the database then is.

        Raises:
            VacuumNotPossibleError: not with this database.
        """

    def rest(self) -> None:
        """Do what is better done while nothing happens."""

    def close(self) -> None: ...

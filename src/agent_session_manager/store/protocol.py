"""The protocol of a store, and its promises.

The promises are numbered; `tests/store/promises/conformance.py` has the same numbers.

1. `commit` returns once every change of the batch is durable, and changes take effect in order.
2. Each change has its own outcome: a refused change leaves no trace and does not affect others.
3. The events of a session are numbered 1, 2, 3, … without gaps, in commit order.
4. An event with an `event_id` that the session has already is not stored again. Its outcome is the
   stored seq. This also holds within one batch and one list.
5. Only the newest run changes the state of its session, by the rules of
   `domain/sessions/session.py`.
6. One session of a project holds a reserved name, until the session is archived or deleted.
7. The pages of a list contain every session once, newest first. Sessions that are created while a
   reader pages do not change this.
8. Deleting a session deletes all its data; its id can be used again.
9. One holder has the lease on a run. A run with an expired lease is closed as `lost`. Its last
   holder can reopen it as long as there is no newer run.
10. A request is stored once per id, until its session is deleted. The end of its run expires it,
   unless it is done. Closing a run as `lost` does not: only its own end or a newer run does.

11. Every change of a session, and its deletion, has a position in the feed of all sessions, higher
   than any position that was visible before. A reader that asks for changes after its position
   misses none. If too much was deleted since, it gets an error instead.
12. The token of a run is valid until it is revoked or its session is deleted, even after the run
   has ended. The store knows its digest. A run creates sessions only below its own session.
13. Retention archives and deletes only unused sessions. It does not touch a session that is
   running, has a lease holder, had activity since, or has a child that is not archived.
14. Events are refused if their sender knows of later events than the session has. After an older
   state was restored, the sender can then send the missing events first.
15. Imported history is added once, also if a run has recorded it before. It changes no run that a
   client drove. Its own run is finished, or open as long as a holder works on its newest turn and
   renews the lease. A model request counts once over all sessions: for the session that made it,
   once that session has reported it.
16. A question is open from its event until its decision or the end of its run. While the run is
   lost, the question is closed. A session with an open question is `waiting`. Of the answers to an
   open question, the first is stored, and is the outcome of every other answer.
17. The end of a run that notifies writes a notice for the session above, in the same transaction.
   It is delivered once that session has the event that shows that its agent heard it. Until then it
   is pending, or is offered to one run of that session. A run that ends without it puts it back.
18. A session tells what it expects of a person: an answer to an open question; a look at the end of
   its newest run, until a person has seen that; or a look because it was silent for long, until its
   next event. It agrees with the record, in every list and filter, from the commit that changes it.
19. The outline of a session names each prompt, edit, failure, denial, subagent, compaction and run
  end of its events exactly once, in their order, and nothing else. It has each event of
  a subagent once, with the call that started it. Its pages are never too large.

The promises for transcripts are in `store/transcripts.py`, those for search in `store/search.py`,
and those for alerts in `store/alerts.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Protocol

from agent_session_manager.domain.sessions.request import Request, RequestState
from agent_session_manager.domain.sessions.session import Run, Session, Status
from agent_session_manager.store.alerts import AlertReads
from agent_session_manager.store.change import Change
from agent_session_manager.store.feeds import FeedReads
from agent_session_manager.store.notices import NoticeReads
from agent_session_manager.store.queries import (
    EventFilter,
    EventPage,
    Mark,
    Order,
    OutlinePage,
    QuestionFilter,
    QuestionPage,
    SessionFilter,
    SessionPage,
    SessionSort,
)
from agent_session_manager.store.retention import RetentionReads
from agent_session_manager.store.run_tokens import RunTokenReads
from agent_session_manager.store.search import SearchIndex
from agent_session_manager.store.space import Space
from agent_session_manager.store.statistics import StatisticsReads
from agent_session_manager.store.transcripts import TranscriptReads

Notice = Callable[[Collection[str] | None], None]

READERS = 4
"""Number of concurrent reads that a store supports."""


class Store(Protocol):
    """Durable state. Its methods block: call them in a thread, and `commit` in one thread only."""

    def commit(self, changes: Sequence[Change[Any]]) -> list[Any]:
        """Return for each change its outcome, or the `OrchestratorError` that refused it."""

    def get_session(self, session_id: str) -> Session: ...

    def get_status(self, session_id: str) -> Status: ...

    def get_result(self, session_id: str) -> str: ...

    def list_sessions(
        self,
        where: SessionFilter,
        *,
        limit: int,
        sort: SessionSort = SessionSort.CREATED,
        order: Order | None = None,
        after: Mark | None = None,
    ) -> SessionPage: ...

    def count_sessions(self, where: SessionFilter) -> int: ...

    def list_events(self, session_id: str, where: EventFilter, *, limit: int) -> EventPage: ...

    def get_outline(self, session_id: str, after_seq: int) -> OutlinePage: ...

    def list_questions(
        self, where: QuestionFilter, *, limit: int, after: Mark | None = None
    ) -> QuestionPage: ...

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

    @property
    def alerts(self) -> AlertReads: ...

    @property
    def notices(self) -> NoticeReads: ...

    @property
    def search(self) -> SearchIndex: ...

    def next_expiry(self) -> datetime | None: ...

    def has_silent(self, silent_since: datetime, in_call_since: datetime) -> bool:
        """Return whether `MarkQuiet` with these moments would mark a session."""

    def watch(self, notice: Notice) -> None:
        """Call `notice` from a thread with the ids of sessions that other managers change.

        After the connection to the database was lost, `notice` gets None: any session may have
        changed.
        """

    def free_some(self, pages: int) -> Space:
        """Free up to `pages` unused pages; return the size of the database after that.

        Raises:
            VacuumNotPossibleError: this database does not support it.
        """

    def rest(self) -> bool:
        """Do maintenance work while the store is idle; return whether there is more of it."""

    def close(self) -> None: ...

"""What a store promises, and the changes that it can be asked to commit.

The promises are numbered; `tests/store/conformance.py` carries the same numbers.

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
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.errors import OrchestratorError
from agent_session_manager.domain.event import Event, NewEvent
from agent_session_manager.domain.request import Request, RequestKind, RequestState
from agent_session_manager.domain.run_token import RunCaller
from agent_session_manager.domain.session import Run, Session, State, Status
from agent_session_manager.domain.transcript import AppendedEntries
from agent_session_manager.store.feeds import FeedReads
from agent_session_manager.store.retention import (
    ArchiveSessions,
    DeleteArchived,
    DeleteTranscripts,
    RetentionReads,
)
from agent_session_manager.store.run_tokens import RunTokenReads
from agent_session_manager.store.space import Space
from agent_session_manager.store.statistics import StatisticsReads
from agent_session_manager.store.transcripts import (
    AppendTranscript,
    DeleteTranscript,
    PutTranscriptSummary,
    TranscriptReads,
)


@dataclass(frozen=True, kw_only=True)
class CreateSession:
    """Create a session with its run 1 open. The outcome is the session."""

    session_id: str
    session_name: str
    project_dir: str | None = None
    agent_name: str | None = None
    executor: str | None = None
    parent_session_id: str | None = None
    unique_name: bool = False
    host: str | None = None
    spec: dict[str, Any] | None = None
    holder: str | None = None
    """Who has the lease of run 1 from the start."""
    token_digest: str | None = None
    """Of the token of run 1."""
    caller: RunCaller | None = None
    """The run that creates it, if one does: it is then below that one's session."""


@dataclass(frozen=True, kw_only=True)
class AppendEvents:
    """Append events to a session, all or none. The outcome is their seqs, in order.

    They are refused where the session does not reach `known`, a cursor that the sender was given.
    """

    session_id: str
    events: Sequence[NewEvent]
    known: Cursor | None = None


@dataclass(frozen=True, kw_only=True)
class UpdateSession:
    """Change what is given. The outcome is the session as it then is.

    Setting `last_resumed_at` opens the next run.
    """

    session_id: str
    session_name: str | None = None
    project_dir: str | None = None
    agent_name: str | None = None
    last_resumed_at: datetime | None = None
    archived: bool | None = None


@dataclass(frozen=True, kw_only=True)
class OpenRun:
    """Open the next run, unless the newest is open and not taken over.

    With `run` also only if the next one has this number. The outcome is the session.
    """

    session_id: str
    run: int | None = None
    takeover: bool = False
    host: str | None = None
    spec: dict[str, Any] | None = None
    holder: str | None = None
    token_digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeleteSession:
    """Delete a session and all of its own, also transcripts. The outcome is how many events it had.

    One whose lease somebody holds is deleted by `force` only.
    """

    session_id: str
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class ClaimLease:
    """Take or keep the lease on a run. The outcome is the session."""

    session_id: str
    run: int
    holder: str


@dataclass(frozen=True, kw_only=True)
class ReleaseLease:
    """Give a lease back; one that is not held any more is given back already.

    The outcome is the session.
    """

    session_id: str
    run: int
    holder: str


@dataclass(frozen=True, kw_only=True)
class RevokeRunToken:
    """Forget the token of a run. The outcome is how many it had."""

    session_id: str
    run: int


@dataclass(frozen=True, kw_only=True)
class ExtendLeases:
    """Extend every lease, to one full term from now at most. The outcome is how many there are."""

    by: timedelta | None = None
    """None: to one full term. It may be negative, where the clock was set back."""


@dataclass(frozen=True, kw_only=True)
class ReapLeases:
    """Close the runs whose lease has expired, as `lost`. The outcome is whose they were."""


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """Ask something of an open run. The outcome is the request, as it was asked first."""

    session_id: str
    run: int
    request_id: str
    kind: RequestKind
    payload: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class SettleRequest:
    """Say how far a request has come; a final state stays. The outcome is the request."""

    session_id: str
    run: int
    request_id: str
    state: RequestState
    detail: str | None = None


Change = (
    CreateSession
    | AppendEvents
    | UpdateSession
    | OpenRun
    | DeleteSession
    | ClaimLease
    | ReleaseLease
    | RevokeRunToken
    | ExtendLeases
    | ReapLeases
    | CreateRequest
    | SettleRequest
    | AppendTranscript
    | PutTranscriptSummary
    | DeleteTranscript
    | ArchiveSessions
    | DeleteArchived
    | DeleteTranscripts
)
Outcome = Session | Request | AppendedEntries | list[int] | list[str] | int | OrchestratorError


def changed_sessions(changes: Sequence[Change], outcomes: Sequence[Outcome]) -> set[str]:
    """The sessions that a commit did something to: whoever follows one of them looks again."""
    changed: set[str] = set()
    for change, outcome in zip(changes, outcomes, strict=True):
        if isinstance(outcome, OrchestratorError):
            continue
        match change:
            case ReapLeases() | ArchiveSessions() | DeleteArchived():
                assert isinstance(outcome, list)
                changed.update(map(str, outcome))
            case (
                ExtendLeases()
                | AppendTranscript()
                | PutTranscriptSummary()
                | DeleteTranscript()
                | DeleteTranscripts()
            ):
                pass  # nothing that a session shows
            case RevokeRunToken():
                pass
            case _:
                changed.add(change.session_id)
    return changed


class SessionSort(StrEnum):
    """The order of a list."""

    CREATED = "created"
    """The newest first."""
    ACTIVITY = "activity"
    """What was changed last first."""
    NAME = "name"
    COST = "cost"
    """The dearest first."""


@dataclass(frozen=True, kw_only=True)
class SessionFilter:
    """Which sessions to list. What is None does not filter."""

    session_name: str | None = None
    project_dir: str | None = None
    agent_name: str | None = None
    status: Status | None = None
    parent_session_id: str | None = None
    id_prefix: str | None = None
    archived: bool | None = None
    executor: str | None = None
    state: State | None = None
    text: str | None = None
    """Some part of its name, project, agent or id, in small letters or large ones."""
    project: str | None = None
    """Some part of its project's path, in small letters or large ones."""
    top_level: bool | None = None
    """Whether it was started from inside no other session."""
    family_of: RunCaller | None = None
    """Only the session of this run, and what is below it."""


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """Which events to read: past `after_seq` going up, or before `before_seq` going down."""

    after_seq: int | None = None
    before_seq: int | None = None
    event_type: str | None = None
    run: int | None = None
    has_error: bool | None = None
    """True: only those that have an `error`."""


Notice = Callable[[Collection[str] | None], None]

Mark = tuple[str | int, ...]
"""Where in an order a page has ended: the sorted values of its last session."""


@dataclass(frozen=True, kw_only=True)
class SessionPage:
    """Some sessions in an order, and the mark after which the next page begins."""

    sessions: list[Session]
    next_page: Mark | None


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """Some events of a session, and whether there are more in the direction that was asked for."""

    events: list[Event]
    has_more: bool


class Store(Protocol):
    """Durable state. Its methods block: call them in a thread; `commit` from one at a time."""

    def commit(self, changes: Sequence[Change]) -> list[Outcome]: ...

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

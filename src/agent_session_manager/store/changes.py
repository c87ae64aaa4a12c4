"""The changes of sessions, their runs, events, leases and requests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.events.event import NewEvent
from agent_session_manager.domain.sessions.request import Request, RequestKind, RequestState
from agent_session_manager.domain.sessions.run_token import RunCaller
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.store.change import Change, SessionChange, SessionsChange


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """The initial values of a run."""

    host: str | None = None
    spec: dict[str, Any] | None = None
    holder: str | None = None
    """The holder that has the lease of the run from the start."""
    token_digest: str | None = None
    """Digest of the token of the run."""
    notify: bool = False
    """True if the end of the run writes a notice for the parent of the session."""


@dataclass(frozen=True, kw_only=True)
class CreateSession(NewRun, SessionChange[Session]):
    """Create a session with its run 1 open. The outcome is the session."""

    session_name: str
    project_dir: str | None = None
    agent_name: str | None = None
    executor: str | None = None
    parent_session_id: str | None = None
    unique_name: bool = False
    caller: RunCaller | None = None
    """The run that creates the session, if any. The new session is then below the run's session."""


@dataclass(frozen=True, kw_only=True)
class AppendEvents(SessionChange[list[int]]):
    """Append events to a session, all or none. The outcome is their seqs, in order.

    The events are refused if the session ends before `known`, a cursor that its sender received.
    """

    events: Sequence[NewEvent]
    known: Cursor | None = None


@dataclass(frozen=True, kw_only=True)
class UpdateSession(SessionChange[Session]):
    """Change the fields that are not None. The outcome is the changed session.

    Setting `last_resumed_at` opens the next run.
    """

    session_name: str | None = None
    project_dir: str | None = None
    agent_name: str | None = None
    last_resumed_at: datetime | None = None
    archived: bool | None = None
    seen_run: int | None = None
    """The newest run whose end a person has seen; the run before it: its end is not seen.

    Refused if the session has no such run.
    """


@dataclass(frozen=True, kw_only=True)
class OpenRun(NewRun, SessionChange[Session]):
    """Open the next run. The outcome is the session.

    Refused while the newest run is open, except with `takeover`. Also refused if `run` is given
    and is not the number of the next run.

    With `takes_notices`, the pending notices for the session are offered to the run.
    """

    run: int | None = None
    takeover: bool = False
    takes_notices: bool = False
    is_automatic: bool = False
    """True if no person asks for the run: it is opened for the notices only.

    Refused if no notice is pending, or if they are held. The run notifies as the run before.
    """


@dataclass(frozen=True, kw_only=True)
class DeleteSession(SessionChange[int]):
    """Delete a session with all its data, also transcripts. The outcome is its number of events.

    A session with a lease holder is deleted only with `force`.
    """

    force: bool = False


@dataclass(frozen=True, kw_only=True)
class ClaimLease(SessionChange[Session]):
    """Claim or renew the lease on a run. The outcome is the session."""

    run: int
    holder: str


@dataclass(frozen=True, kw_only=True)
class ReleaseLease(SessionChange[Session]):
    """Release a lease. The outcome is the session.

    Without effect if the holder no longer has the lease.
    """

    run: int
    holder: str


@dataclass(frozen=True, kw_only=True)
class RevokeRunToken(SessionChange[int]):
    """Delete the token of a run. The outcome is the number of deleted tokens."""

    run: int

    def changed_sessions(self, outcome: int) -> Collection[str]:
        return ()


@dataclass(frozen=True, kw_only=True)
class ExtendLeases(Change[int]):
    """Extend every lease, at most to one full term from now. The outcome is their number."""

    by: timedelta | None = None
    """None: to one full term from now. Negative if the clock was set back."""


@dataclass(frozen=True, kw_only=True)
class ReapLeases(SessionsChange):
    """Close each run whose lease has expired as `lost`. The outcome is their session ids."""


@dataclass(frozen=True, kw_only=True)
class MarkQuiet(SessionsChange):
    """Mark running sessions as quiet that are silent since a moment.

    A session whose newest event begins a tool call must be silent since an earlier moment. The
    outcome is the ids of the sessions that are marked now.
    """

    silent_since: datetime
    in_call_since: datetime


@dataclass(frozen=True, kw_only=True)
class CreateRequest(SessionChange[Request]):
    """Create a request to an open run. The outcome is the request.

    If the run has a request with this id already, the outcome is the existing request.
    """

    run: int
    request_id: str
    kind: RequestKind
    payload: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class OfferNotices(SessionChange[str | None]):
    """Offer the pending notices for a session to its open run, in a request.

    The outcome is the id of the request; None if no notice is pending or the run takes none.
    """


@dataclass(frozen=True, kw_only=True)
class TakeAsKnown(SessionChange[int]):
    """Take the notice of a success as delivered: the parent's run has read the result.

    The outcome is the number of notices.
    """

    parent: RunCaller

    def changed_sessions(self, outcome: int) -> Collection[str]:
        return (self.parent.session_id,) if outcome else ()


@dataclass(frozen=True, kw_only=True)
class SettleRequest(SessionChange[Request]):
    """Set the state of a request. A final state does not change. The outcome is the request."""

    run: int
    request_id: str
    state: RequestState
    detail: str | None = None

"""The changes of sessions, their runs, events, leases and requests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agent_session_manager.domain.cursor import Cursor
from agent_session_manager.domain.event import NewEvent
from agent_session_manager.domain.request import Request, RequestKind, RequestState
from agent_session_manager.domain.run_token import RunCaller
from agent_session_manager.domain.session import Session
from agent_session_manager.store.change import Change, SessionChange


@dataclass(frozen=True, kw_only=True)
class CreateSession(SessionChange[Session]):
    """Create a session with its run 1 open. The outcome is the session."""

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
class AppendEvents(SessionChange[list[int]]):
    """Append events to a session, all or none. The outcome is their seqs, in order.

    They are refused where the session does not reach `known`, a cursor that the sender was given.
    """

    events: Sequence[NewEvent]
    known: Cursor | None = None


@dataclass(frozen=True, kw_only=True)
class UpdateSession(SessionChange[Session]):
    """Change what is given. The outcome is the session as it then is.

    Setting `last_resumed_at` opens the next run.
    """

    session_name: str | None = None
    project_dir: str | None = None
    agent_name: str | None = None
    last_resumed_at: datetime | None = None
    archived: bool | None = None


@dataclass(frozen=True, kw_only=True)
class OpenRun(SessionChange[Session]):
    """Open the next run, unless the newest is open and not taken over.

    With `run` also only if the next one has this number. The outcome is the session.
    """

    run: int | None = None
    takeover: bool = False
    host: str | None = None
    spec: dict[str, Any] | None = None
    holder: str | None = None
    token_digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeleteSession(SessionChange[int]):
    """Delete a session and all of its own, also transcripts. The outcome is how many events it had.

    One whose lease somebody holds is deleted by `force` only.
    """

    force: bool = False


@dataclass(frozen=True, kw_only=True)
class ClaimLease(SessionChange[Session]):
    """Take or keep the lease on a run. The outcome is the session."""

    run: int
    holder: str


@dataclass(frozen=True, kw_only=True)
class ReleaseLease(SessionChange[Session]):
    """Give a lease back; one that is not held any more is given back already.

    The outcome is the session.
    """

    run: int
    holder: str


@dataclass(frozen=True, kw_only=True)
class RevokeRunToken(SessionChange[int]):
    """Forget the token of a run. The outcome is how many it had."""

    run: int

    def changed_sessions(self, outcome: int) -> Collection[str]:
        return ()


@dataclass(frozen=True, kw_only=True)
class ExtendLeases(Change[int]):
    """Extend every lease, to one full term from now at most. The outcome is how many there are."""

    by: timedelta | None = None
    """None: to one full term. It may be negative, where the clock was set back."""


@dataclass(frozen=True, kw_only=True)
class ReapLeases(Change[list[str]]):
    """Close the runs whose lease has expired, as `lost`. The outcome is whose they were."""

    def changed_sessions(self, outcome: list[str]) -> Collection[str]:
        return outcome


@dataclass(frozen=True, kw_only=True)
class CreateRequest(SessionChange[Request]):
    """Ask something of an open run. The outcome is the request, as it was asked first."""

    run: int
    request_id: str
    kind: RequestKind
    payload: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class SettleRequest(SessionChange[Request]):
    """Say how far a request has come; a final state stays. The outcome is the request."""

    run: int
    request_id: str
    state: RequestState
    detail: str | None = None

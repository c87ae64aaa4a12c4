"""Sessions and their runs: the values, and the rules by which a session changes its state.

Facts are always accepted; only state is fenced, and the fence is the run number: what an older
run says is kept and changes nothing. The rules are the functions at the end of this module, and
no other code decides what a session's state becomes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
MAX_NAME_CHARS = 200
MAX_PATH_BYTES = 1500
"""An index of PostgreSQL holds no key larger than 2,704 bytes; name and path share one."""

DEFAULT_LEASE_SECONDS = 45.0
"""Three heartbeats: two may be late or lost before a run is given up."""

Status = Literal["running", "finished", "not_existent"]


class Reason(StrEnum):
    """Why a run ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    TIMEOUT = "timeout"
    BUDGET = "budget"
    LOST = "lost"


class State(StrEnum):
    """What people see of a session: richer than its status, and made of its newest run."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"


REASONS: dict[State, tuple[Reason, ...]] = {
    State.FINISHED: (Reason.COMPLETED,),
    State.FAILED: (Reason.FAILED, Reason.TIMEOUT, Reason.BUDGET),
    State.STOPPED: (Reason.STOPPED,),
    State.LOST: (Reason.LOST,),
}
"""The reasons for which a run that ended is in a state."""
_STATES = {reason: state for state, reasons in REASONS.items() for reason in reasons}


def is_session_id(text: str) -> bool:
    """Whether `text` can be the id of a session at all."""
    return SESSION_ID.fullmatch(text) is not None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What runs consumed. Money is in millionths of a US dollar, so that sums stay exact."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    cost_microdollars: int = 0
    """The cost of all tokens but the unpriced ones."""
    unpriced_tokens: int = 0
    """The tokens whose cost is unknown, of all kinds together."""

    @property
    def tokens(self) -> int:
        return (
            self.input_tokens
            + self.output_tokens
            + self.cache_read_tokens
            + self.cache_creation_tokens
        )

    def raised_to(self, later: Usage) -> Usage:
        """Return what one model request consumed, where `later` tells of the same request.

        A counter takes its maximum and never adds. A cost that was told once is known.
        """
        counts = {
            name: max(getattr(self, name), getattr(later, name))
            for name in Usage.__dataclass_fields__
        }
        raised = Usage(**{**counts, "unpriced_tokens": 0})
        is_priced = any(told.tokens and not told.unpriced_tokens for told in (self, later))
        return raised if is_priced else replace(raised, unpriced_tokens=raised.tokens)


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right of one holder to drive a run, until it expires or is given back."""

    holder: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Run:
    """One execution inside a session. `spec` is the client's own and is kept as it came."""

    run: int
    started_at: datetime
    finished_at: datetime | None = None
    exit_code: int | None = None
    reason: Reason | None = None
    host: str | None = None
    lease: Lease | None = None
    spec: dict[str, Any] | None = None
    usage: Usage = field(default_factory=Usage)

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None


@dataclass(frozen=True, kw_only=True)
class Session:
    """The durable record of one conversation with an agent, with its newest run."""

    session_id: str
    generation: str
    """Changes when a session is created anew under its old id."""
    session_name: str
    project_dir: str | None
    agent_name: str | None
    created_at: datetime
    last_resumed_at: datetime | None
    last_activity_at: datetime
    executor: str | None
    parent_session_id: str | None
    archived_at: datetime | None
    unique_name: bool
    last_seq: int
    usage: Usage
    newest_run: Run
    child_count: int
    """Sessions that were started from inside this one."""
    children_running: int = 0
    """Sessions below it, up to eight levels, whose newest run is open."""
    children_failed: int = 0
    """Sessions below it whose newest run failed or was lost; archived ones do not count."""
    masked_secrets: int = 0
    """In all of its events together."""
    is_damaged: bool = False
    """Whether its row holds what cannot be read, in the place of which something else is shown."""

    @property
    def status(self) -> Status:
        return "finished" if self.newest_run.is_finished else "running"

    @property
    def state(self) -> State:
        """The status, and where it is finished how it ended, in the words that people read."""
        return State.RUNNING if self.newest_run.reason is None else _STATES[self.newest_run.reason]


@dataclass(frozen=True, kw_only=True)
class RunState:
    """As much of a session's newest run as the rules need."""

    run: int
    finished: bool = False
    reason: Reason | None = None
    holder: str | None = None
    """Who has the lease on it; of a run that was closed as `lost`, who had it."""


class Effect(StrEnum):
    """What an arrival does to the newest run of its session."""

    NOTHING = "nothing"
    CLOSE = "close"
    OPEN_NEXT = "open_next"
    RENEW = "renew"
    REOPEN = "reopen"
    REFUSE = "refuse"


def effect_of_stop(newest: RunState, *, named_run: int | None) -> Effect:
    """What a `session_stop` does. It is stored in any case.

    `named_run` is the run that the caller named, or None. A run that was closed as `lost` takes
    its true end when its own process reports it; any other end, once recorded, stays.
    """
    if named_run is not None and named_run != newest.run:
        return Effect.NOTHING
    if not newest.finished:
        return Effect.CLOSE if named_run is not None or newest.holder is None else Effect.NOTHING
    own_report = named_run == newest.run
    return Effect.CLOSE if newest.reason is Reason.LOST and own_report else Effect.NOTHING


def effect_of_resume(newest: RunState, *, exclusive: bool, takeover: bool = False) -> Effect:
    """What a resume does.

    An `exclusive` caller wants to be the only one to drive the session and is refused while the
    newest run is open, unless it takes over. The contract's `last_resumed_at` is not exclusive:
    it is refused only where somebody holds the lease.
    """
    if newest.finished or takeover:
        return Effect.OPEN_NEXT
    return Effect.REFUSE if exclusive or newest.holder is not None else Effect.OPEN_NEXT


def effect_of_claim(newest: RunState, *, run: int, holder: str) -> Effect:
    """What it does when `holder` asks for the lease of a run, or for more of it.

    A run that was given up as `lost` is taken up again by the one who had it, as long as nobody
    has opened a newer one.
    """
    if run != newest.run:
        return Effect.REFUSE
    if newest.finished:
        was_lost = newest.reason is Reason.LOST and newest.holder == holder
        return Effect.REOPEN if was_lost else Effect.REFUSE
    return Effect.RENEW if newest.holder in (None, holder) else Effect.REFUSE


def is_late(event_run: int, newest_run: int) -> bool:
    """Whether an event belongs to a run that is not the newest any more."""
    return event_run < newest_run


def end_reason(text: str | None, exit_code: int | None) -> Reason:
    """The reason a run ended with, from what its `session_stop` said.

    A caller may write any text; what is not one of ours is told by the exit code.
    """
    if text in _REASONS:
        return Reason(text)
    return Reason.FAILED if exit_code else Reason.COMPLETED


_REASONS = frozenset(Reason)

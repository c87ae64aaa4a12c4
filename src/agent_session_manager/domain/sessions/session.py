"""Sessions and their runs: the values, and the rules by which a session changes its state.

Events are always accepted, but only the newest run can change the state of its session. Events of
an older run are stored without an effect. The functions at the end of this module are the rules;
no other code decides the state of a session.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from agent_session_manager.domain.sessions.attention import Attention

SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
MAX_NAME_CHARS = 200
MAX_PATH_BYTES = 1500
"""A PostgreSQL index key has at most 2,704 bytes; name and path share one key."""

Status = Literal["running", "finished", "not_existent"]


class Reason(StrEnum):
    """Why a run ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    TIMEOUT = "timeout"
    BUDGET = "budget"
    LOST = "lost"


WITHOUT_ERROR = {
    Reason.TIMEOUT: "it took too long",
    Reason.BUDGET: "its budget is used up",
    Reason.LOST: "its supervisor no longer answers",
}
"""Why a run did not end well, if no event has an error text."""


class State(StrEnum):
    """The state of a session as people see it: its status, and how its newest run ended."""

    RUNNING = "running"
    WAITING = "waiting"
    """Running, with an open question to a person."""
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
"""The end reasons of a run that lead to each state."""
_STATES = {reason: state for state, reasons in REASONS.items() for reason in reasons}


def state_after(reason: Reason | None, *, is_asking: bool = False) -> State:
    """Return the state of a session by the end of its newest run; None: the run is open.

    `is_asking` means that the run has an open question. Only an open run waits for its answer.
    """
    if reason is not None:
        return _STATES[reason]
    return State.WAITING if is_asking else State.RUNNING


def is_session_id(text: str) -> bool:
    """Return whether `text` has the form of a session id."""
    return SESSION_ID.fullmatch(text) is not None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens and money that runs consumed. Costs are integers, so sums stay exact."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    cache_creation_1h_tokens: int = 0
    """Part of `cache_creation_tokens`: those that the cache keeps for an hour."""
    reasoning_tokens: int = 0
    """Part of `output_tokens`."""
    web_searches: int = 0
    cost_nanodollars: int = 0
    """Cost in billionths of a US dollar, without the unpriced tokens."""
    unpriced_tokens: int = 0
    """Number of tokens whose cost is unknown, of all kinds together."""

    @property
    def tokens(self) -> int:
        return (
            self.input_tokens
            + self.output_tokens
            + self.cache_read_tokens
            + self.cache_creation_tokens
        )

    @property
    def cost_microdollars(self) -> int:
        """The cost in millionths of a US dollar, rounded."""
        return (self.cost_nanodollars + 500) // 1000


@dataclass(frozen=True, kw_only=True)
class ForkPoint:
    """The session that was copied, and its last copied event, if the source names it."""

    session_id: str
    event_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """The file of another program from which a session was imported."""

    format: str
    path: str
    is_gone: bool = False
    """True if the file no longer exists."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right of one holder to drive a run, until it expires or is released."""

    holder: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Run:
    """One execution inside a session. `spec` belongs to the client and is stored unchanged."""

    run: int
    started_at: datetime
    finished_at: datetime | None = None
    exit_code: int | None = None
    reason: Reason | None = None
    host: str | None = None
    lease: Lease | None = None
    spec: dict[str, Any] | None = None
    usage: Usage = field(default_factory=Usage)
    is_imported: bool = False
    """True if no client of ours drove the run: its events come from an import."""
    outcome: str | None = None
    """The last line of its answer; of a failed run, the first line of its error."""
    denied_calls: int = 0
    """Number of tool calls that were denied without asking a person."""
    denied_tools: str | None = None
    """The names of the tools of the first of these calls."""

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None


@dataclass(frozen=True, kw_only=True)
class Session:
    """The durable record of one conversation with an agent, with its newest run."""

    session_id: str
    generation: str
    """Changes when a deleted session's id is reused."""
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
    """Number of sessions that were started from inside this session."""
    children_running: int = 0
    """Number of sessions below this session, up to eight levels, whose newest run is open."""
    children_failed: int = 0
    """Number of sessions below this session whose newest run failed or was lost.

    Archived sessions do not count.
    """
    took: timedelta = timedelta(0)
    """The durations of all ended runs."""
    model: str | None = None
    """The model of its newest model request, if known."""
    undelivered_notices: int = 0
    """Number of notices that its agent does not have yet."""
    automatic_runs: int = 0
    """Number of its newest runs that were opened for notices only, one after the other."""
    masked_secrets: int = 0
    """Number of masked secrets in all events of the session."""
    waiting_questions: int = 0
    """Number of open questions of the newest run; 0 unless the run is open."""
    children_waiting: int = 0
    """Number of sessions below it, up to eight levels, with an open question to a person."""
    prompt: str | None = None
    """The first line of the first prompt of a person."""
    seen_run: int = 0
    """The newest run whose end a person has seen, or 0."""
    attention: Attention | None = None
    """What it expects of a person, if anything."""
    title: str | None = None
    """Title by its source, for an imported session."""
    source: Source | None = None
    forked_from: ForkPoint | None = None
    is_damaged: bool = False
    """True if the row has unreadable values; placeholders are shown instead."""

    @property
    def status(self) -> Status:
        return "finished" if self.newest_run.is_finished else "running"

    @property
    def agent(self) -> str | None:
        """The name of its agent definition, or else the kind of its agent."""
        return self.executor if self.agent_name is None else self.agent_name

    @property
    def state(self) -> State:
        """The status; if it is running, whether it waits, and if it is finished, how it ended."""
        return state_after(self.newest_run.reason, is_asking=self.waiting_questions > 0)


@dataclass(frozen=True, kw_only=True)
class RunState:
    """The part of a session's newest run that the rules need."""

    run: int
    finished: bool = False
    reason: Reason | None = None
    holder: str | None = None
    """Holder of the lease; for a run that was closed as `lost`, its last holder."""
    imported: bool = False
    """True if no client of ours drives the run."""


class Effect(StrEnum):
    """The effect of a change on the newest run of its session."""

    NOTHING = "nothing"
    CLOSE = "close"
    OPEN_NEXT = "open_next"
    RENEW = "renew"
    REOPEN = "reopen"
    REFUSE = "refuse"


def effect_of_stop(newest: RunState, *, named_run: int | None) -> Effect:
    """Return the effect of a `session_stop`. The event is stored in any case.

    `named_run` is the run that the caller named, or None. A run that was closed as `lost` takes
    the end that its own process reports later. Every other recorded end is final.
    """
    if named_run is not None and named_run != newest.run:
        return Effect.NOTHING
    if not newest.finished:
        return Effect.CLOSE if named_run is not None or newest.holder is None else Effect.NOTHING
    own_report = named_run == newest.run
    return Effect.CLOSE if newest.reason is Reason.LOST and own_report else Effect.NOTHING


def effect_of_resume(newest: RunState, *, exclusive: bool, takeover: bool = False) -> Effect:
    """Return the effect of a resume.

    An `exclusive` caller wants to drive the session alone. It is refused while the newest run is
    open, unless it takes over. The contract's `last_resumed_at` is not exclusive: it is refused
    only while a holder has the lease.
    """
    if newest.finished or takeover:
        return Effect.OPEN_NEXT
    return Effect.REFUSE if exclusive or newest.holder is not None else Effect.OPEN_NEXT


def effect_of_claim(newest: RunState, *, run: int, holder: str) -> Effect:
    """Return the effect when `holder` claims or renews the lease of a run.

    A run that was closed as `lost` is opened again by its last holder, unless a newer run exists.
    """
    if run != newest.run:
        return Effect.REFUSE
    if newest.finished:
        was_lost = newest.reason is Reason.LOST and newest.holder == holder
        return Effect.REOPEN if was_lost else Effect.REFUSE
    return Effect.RENEW if newest.holder in (None, holder) else Effect.REFUSE


def effect_of_import(*, is_open: bool, end: Reason | None) -> Effect:
    """Return the effect of imported history on its run, which no client drives.

    `end` is the end of the newest turn: `lost` if the source has none yet, None if the source does
    not say. An open run stays open without an end: its holder works on the turn, as long as it
    renews the lease.
    """
    if end is None or (is_open and end is Reason.LOST):
        return Effect.NOTHING
    return Effect.CLOSE


def opens_question(newest: RunState, *, run: int) -> bool:
    """Return whether a question that was asked in a run can be open.

    A lost run keeps its questions: if its supervisor returns, it still waits for their answers. It
    cannot return without its lease, as after a `session_stop` with the reason `lost`. An imported
    run has no supervisor that waits.
    """
    is_lost = newest.reason is Reason.LOST and newest.holder is not None
    may_return = not newest.finished or is_lost
    return run == newest.run and may_return and not newest.imported


def is_late(event_run: int, newest_run: int) -> bool:
    """Return whether an event belongs to a run that is no longer the newest."""
    return event_run < newest_run


def end_reason(text: str | None, exit_code: int | None) -> Reason:
    """Return the reason that a `session_stop` reports for the end of its run.

    A caller may send any text. If the text is not a known reason, the exit code decides.
    """
    if text in _REASONS:
        return Reason(text)
    return Reason.FAILED if exit_code else Reason.COMPLETED


_REASONS = frozenset(Reason)

"""The shapes of sessions on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.wire.common import (
    Given,
    GivenMoment,
    LeaseBody,
    LeaseClaimBody,
    Moment,
    Name,
    Path,
    SessionId,
    UsageBody,
)
from agent_session_manager.api.wire.limits import MAX_RUN
from agent_session_manager.domain.sessions.attention import Attention, AttentionKind
from agent_session_manager.domain.sessions.notice import Hold, hold_of
from agent_session_manager.domain.sessions.session import (
    MAX_PATH_BYTES,
    ForkPoint,
    Reason,
    Session,
    Source,
    State,
    Status,
)


class NewSessionBody(Given):
    session_id: SessionId = Field(description="Chosen by the client")
    session_name: Name = Field(
        description="Without invisible characters, and without whitespace at its ends"
    )
    project_dir: Path | None = Field(
        default=None, description=f"Directory of its project; up to {MAX_PATH_BYTES:,} bytes"
    )
    agent_name: Name | None = Field(default=None, description="Name of its agent definition")
    executor: Name | None = Field(
        default=None, description="Kind of its agent, such as `claude` or `command`"
    )
    parent_session_id: SessionId | None = Field(
        default=None, description="Session from inside which it is started; not checked"
    )
    unique_name: bool = Field(
        default=False, description="Reserve the name in its project: 409 `name_taken` if it is held"
    )
    host: Name | None = Field(default=None, description="Machine on which run 1 executes")
    spec: dict[str, Any] | None = Field(
        default=None,
        description="Data that is needed to repeat run 1; only credentials in it are masked",
    )
    notify: bool = Field(
        default=False, description="Write a notice for the parent session when run 1 ends"
    )
    lease: LeaseClaimBody | None = Field(
        default=None,
        description="Lease on run 1 from its start; the run is lost when the lease expires",
    )


class SessionChangesBody(Given):
    session_name: Name | None = Field(
        default=None, description="Without invisible characters or whitespace at its ends"
    )
    project_dir: Path | None = Field(
        default=None, description=f"Directory of its project; up to {MAX_PATH_BYTES:,} bytes"
    )
    agent_name: Name | None = Field(default=None, description="Name of its agent definition")
    last_resumed_at: GivenMoment | None = Field(
        default=None, description="Any time opens the next run; without an offset it is UTC"
    )
    archived: bool | None = Field(
        default=None, description="`true`: archive the session; `false`: undo that"
    )
    seen_run: int | None = Field(
        default=None,
        ge=0,
        le=MAX_RUN,
        description="The newest run whose end a person has seen; the number before it undoes that",
    )


class SourceBody(BaseModel):
    """The file of another program from which a session was imported."""

    format: str = Field(description="Its format: the name of an agent, such as `claude`")
    path: str = Field(description="Its path on the machine that imported it")
    gone: bool = Field(description="True if the file no longer exists there")


class ForkPointBody(BaseModel):
    session_id: str = Field(description="The session that was copied")
    event_id: str | None = Field(description="Its last copied event, if known")


class AttentionBody(BaseModel):
    """The attention that a session expects of a person."""

    model_config = ConfigDict(from_attributes=True)

    kind: AttentionKind = Field(
        description="`asks`: it waits for an answer; `failed`, or ended well: `denied` (calls were "
        "denied), `question` (the answer ends with one) or `done`, each until it is seen; "
        "`quiet`: it is running and silent for long"
    )
    since: Moment = Field(description="Time since which it does")
    text: str | None = Field(
        description="The question, the error, the denied tools, the newest call, or the end of "
        "the answer: up to 200 characters of one line"
    )
    seq: int | None = Field(description="`seq` of the event that tells more")


class SessionBody(BaseModel):
    """A session. The fields from `run` on belong to its newest run."""

    session_id: str = Field(description="The session's id")
    session_name: str = Field(description="The session's name")
    status: Status = Field(description="`running` while the newest run is open, else `finished`")
    state: State = Field(
        description="The status; `waiting` if it is running and waits for a person; "
        "if it is finished, how the newest run ended"
    )
    created_at: Moment = Field(description="Time of its creation")
    last_resumed_at: Moment | None = Field(description="Time of the last resume")
    project_dir: str | None = Field(description="Directory of its project")
    agent_name: str | None = Field(description="Name of its agent definition")
    executor: str | None = Field(description="Kind of its agent, such as `claude` or `command`")
    agent: str | None = Field(description="Its agent: `agent_name`, or else `executor`")
    parent_session_id: str | None = Field(description="Session from inside which it was started")
    child_count: int = Field(description="Number of sessions that were started from inside it")
    children_running: int = Field(description="Number of running sessions up to 8 levels below it")
    children_failed: int = Field(
        description="Number of failed or lost sessions up to 8 levels below it, not archived"
    )
    children_waiting: int = Field(
        description="Number of sessions up to 8 levels below it that wait for a person"
    )
    waiting_questions: int = Field(
        description="Number of questions of its newest run that wait for a person"
    )
    undelivered_notices: int = Field(
        description="Number of notices of ended runs below it that its agent does not have yet"
    )
    notices_held: Hold | None = Field(
        description="Why these notices wait for the next resume by a person; null if they do not"
    )
    generation: str = Field(
        description="Changes when a deleted session's id is reused; see cursors"
    )
    last_seq: int = Field(description="`seq` of its newest event, or 0")
    last_activity_at: Moment = Field(
        description="Time of the last event, or of the last start or end of a run"
    )
    archived_at: Moment | None = Field(description="Time at which it was archived")
    usage: UsageBody = Field(description="Sum of all runs")
    took_seconds: float = Field(
        description="Sum of the durations of all ended runs; the time of an open run is not in it"
    )
    model: str | None = Field(description="Model of the newest model request, if known")
    masked_secrets: int = Field(description="Number of secrets masked in its events")
    prompt: str | None = Field(
        description="First line of the first prompt of a person, up to 200 characters"
    )
    attention: AttentionBody | None = Field(
        description="What it expects of a person; null if nothing"
    )
    seen_run: int = Field(description="The newest run whose end a person has seen, or 0")
    title: str | None = Field(description="Title in the file from which it was imported")
    source: SourceBody | None = Field(description="The file from which it was imported")
    forked_from: ForkPointBody | None = Field(
        description="Only of an imported copy: the session whose events it begins with"
    )
    damaged: bool = Field(
        description="True if stored values cannot be read; placeholders are shown instead"
    )
    run: int = Field(description="Number of the newest run")
    started_at: Moment = Field(description="Start of the newest run")
    finished_at: Moment | None = Field(description="End of the newest run; null while it is open")
    exit_code: int | None = Field(description="Exit code of the newest run")
    reason: Reason | None = Field(description="End of the newest run; null while it is open")
    outcome: str | None = Field(
        description="Of the newest run: the last line of the answer, or the first of the error "
        "with which it failed; up to 200 characters"
    )
    denied_calls: int = Field(
        description="Number of tool calls of the newest run that were denied without a question"
    )
    host: str | None = Field(description="Machine on which the newest run executes")
    imported: bool = Field(
        description="True if the newest run was imported, and no client of the manager drove it"
    )
    lease: LeaseBody | None = Field(description="Lease on the newest run, if a holder has it")


class SessionAnswer(BaseModel):
    ok: bool = True
    session: SessionBody = Field(description="The session as it is now")


class SessionsAnswer(BaseModel):
    sessions: list[SessionBody] = Field(description="In the order of `sort`")
    next_page: str | None = Field(
        default=None, description="Value of `page` for the next page; null on the last page"
    )
    cursor: str | None = Field(
        default=None, description="Only with a page: where the feed of all sessions continues"
    )
    total: int | None = Field(
        default=None,
        description="Only with `totals`: the number of all sessions that pass the filters",
    )


class SessionDeletedFrame(BaseModel):
    """A feed frame for a deleted session."""

    session_id: str


class StatusAnswer(BaseModel):
    status: Status = Field(description="Status of the session")


class ResultAnswer(BaseModel):
    result: str = Field(description="The result")


class DeletedCounts(BaseModel):
    session: bool = Field(description="Always true")
    events_count: int = Field(description="Number of deleted events")


class DeletedAnswer(BaseModel):
    ok: bool = True
    session_id: str = Field(description="The session's id")
    deleted: DeletedCounts = Field(description="The deleted data")


def session_body(session: Session) -> SessionBody:
    newest = session.newest_run
    return SessionBody(
        session_id=session.session_id,
        session_name=session.session_name,
        status=session.status,
        state=session.state,
        created_at=session.created_at,
        last_resumed_at=session.last_resumed_at,
        project_dir=session.project_dir,
        agent_name=session.agent_name,
        executor=session.executor,
        agent=session.agent,
        parent_session_id=session.parent_session_id,
        child_count=session.child_count,
        children_running=session.children_running,
        children_failed=session.children_failed,
        children_waiting=session.children_waiting,
        waiting_questions=session.waiting_questions,
        undelivered_notices=session.undelivered_notices,
        notices_held=_hold(session),
        generation=session.generation,
        last_seq=session.last_seq,
        last_activity_at=session.last_activity_at,
        archived_at=session.archived_at,
        usage=UsageBody.model_validate(session.usage),
        took_seconds=session.took.total_seconds(),
        model=session.model,
        masked_secrets=session.masked_secrets,
        prompt=session.prompt,
        attention=_attention_body(session.attention),
        seen_run=session.seen_run,
        title=session.title,
        source=_source_body(session.source),
        forked_from=_fork_body(session.forked_from),
        damaged=session.is_damaged,
        run=newest.run,
        started_at=newest.started_at,
        finished_at=newest.finished_at,
        exit_code=newest.exit_code,
        reason=newest.reason,
        outcome=newest.outcome,
        denied_calls=newest.denied_calls,
        host=newest.host,
        imported=newest.is_imported,
        lease=None if newest.lease is None else LeaseBody.model_validate(newest.lease),
    )


def _hold(session: Session) -> Hold | None:
    if not session.undelivered_notices:
        return None
    return hold_of(
        session.newest_run.reason,
        archived=session.archived_at is not None,
        automatic_runs=session.automatic_runs,
    )


def _attention_body(attention: Attention | None) -> AttentionBody | None:
    return None if attention is None else AttentionBody.model_validate(attention)


def _source_body(source: Source | None) -> SourceBody | None:
    if source is None:
        return None
    return SourceBody(format=source.format, path=source.path, gone=source.is_gone)


def _fork_body(fork: ForkPoint | None) -> ForkPointBody | None:
    if fork is None:
        return None
    return ForkPointBody(session_id=fork.session_id, event_id=fork.event_id)

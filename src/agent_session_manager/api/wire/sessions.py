"""The shapes of sessions on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

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
from agent_session_manager.domain.session import Reason, Session, State, Status


class NewSessionBody(Given):
    session_id: SessionId
    session_name: Name
    project_dir: Path | None = None
    agent_name: Name | None = None
    executor: Name | None = None
    parent_session_id: SessionId | None = None
    unique_name: bool = Field(
        default=False, description="Reserve the name in its project: 409 `name_taken` if it is held"
    )
    host: Name | None = Field(default=None, description="Where run 1 executes")
    spec: dict[str, Any] | None = Field(
        default=None, description="What run 1 needs to be repeated; kept as it came"
    )
    lease: LeaseClaimBody | None = Field(
        default=None, description="Hold run 1 from the start: it is lost when the lease expires"
    )


class SessionChangesBody(Given):
    session_name: Name | None = None
    project_dir: Path | None = None
    agent_name: Name | None = None
    last_resumed_at: GivenMoment | None = Field(
        default=None, description="Opens the next run; the session is running again"
    )
    archived: bool | None = None


class SessionBody(BaseModel):
    """A session. What follows `run` is of its newest run."""

    session_id: str
    session_name: str
    status: Status
    state: State = Field(description="The status, and where it is finished how it ended")
    created_at: Moment
    last_resumed_at: Moment | None
    project_dir: str | None
    agent_name: str | None
    executor: str | None
    parent_session_id: str | None
    child_count: int = Field(description="Sessions that were started from inside it")
    children_running: int = Field(description="Sessions up to 8 levels below it that run")
    children_failed: int = Field(description="The same that failed or were lost, not archived")
    generation: str = Field(description="Another one where the id was used anew: see cursors")
    last_seq: int
    last_activity_at: Moment
    archived_at: Moment | None
    usage: UsageBody = Field(description="Of all runs together")
    masked_secrets: int = Field(description="Secrets that were masked in its events")
    damaged: bool = Field(
        description="Whether the database holds something in its place that cannot be read"
    )
    run: int
    started_at: Moment
    finished_at: Moment | None
    exit_code: int | None
    reason: Reason | None
    host: str | None
    lease: LeaseBody | None


class SessionAnswer(BaseModel):
    ok: bool = True
    session: SessionBody


class SessionsAnswer(BaseModel):
    sessions: list[SessionBody]
    next_page: str | None = Field(default=None, description="Give it as `page` for the next ones")
    cursor: str | None = Field(
        default=None, description="Of a page: from where the feed of all sessions goes on"
    )


class SessionDeletedFrame(BaseModel):
    """In a feed: a session that is gone."""

    session_id: str


class StatusAnswer(BaseModel):
    status: Status


class ResultAnswer(BaseModel):
    result: str


class DeletedCounts(BaseModel):
    session: bool
    events_count: int


class DeletedAnswer(BaseModel):
    ok: bool = True
    session_id: str
    deleted: DeletedCounts


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
        parent_session_id=session.parent_session_id,
        child_count=session.child_count,
        children_running=session.children_running,
        children_failed=session.children_failed,
        generation=session.generation,
        last_seq=session.last_seq,
        last_activity_at=session.last_activity_at,
        archived_at=session.archived_at,
        usage=UsageBody.model_validate(session.usage),
        masked_secrets=session.masked_secrets,
        damaged=session.is_damaged,
        run=newest.run,
        started_at=newest.started_at,
        finished_at=newest.finished_at,
        exit_code=newest.exit_code,
        reason=newest.reason,
        host=newest.host,
        lease=None if newest.lease is None else LeaseBody.model_validate(newest.lease),
    )

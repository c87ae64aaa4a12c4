"""The shapes that travel: what a body may hold, and what an answer looks like.

The OpenAPI document is made from these, and they only ever grow.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

from agent_session_manager.domain.event import Event
from agent_session_manager.domain.request import RequestKind, RequestState
from agent_session_manager.domain.run_token import agent_token_of
from agent_session_manager.domain.session import (
    MAX_NAME_CHARS,
    MAX_PATH_BYTES,
    SESSION_ID,
    Reason,
    Run,
    Session,
    State,
    Status,
)


def to_text(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds: as text in the order of time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _fits_an_index(text: str) -> str:
    if len(text.encode()) > MAX_PATH_BYTES:
        raise ValueError(f"at most {MAX_PATH_BYTES} bytes")
    return text


def _parse_moment(value: Any) -> datetime:
    """ISO 8601 and nothing else: pydantic would also take seconds since 1970, as number or text."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("not a moment in ISO 8601") from None


MAX_DETAIL_CHARS = 4000
MAX_FIELDS = 100
"""More than any body of ours has: each that is unknown costs time and memory to be refused."""

SessionId = Annotated[str, StringConstraints(pattern=f"^{SESSION_ID.pattern}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS)]
Path = Annotated[str, AfterValidator(_fits_an_index)]
Moment = Annotated[datetime, PlainSerializer(to_text, return_type=str)]
GivenMoment = Annotated[datetime, BeforeValidator(_parse_moment)]


class Given(BaseModel):
    """A body: unknown fields are refused, and nothing is turned into another type."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(value) > MAX_FIELDS:
            raise ValueError(f"there are more than {MAX_FIELDS} fields")
        return value


class LeaseClaimBody(Given):
    holder: Name = Field(description="Names the process that drives the run; unique to it")


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


class NewRunBody(Given):
    run: int | None = Field(default=None, description="409 `run_not_next` if its number is another")
    takeover: bool = Field(
        default=False, description="Also when the newest run is open, which then counts as lost"
    )
    host: Name | None = None
    spec: dict[str, Any] | None = None
    lease: LeaseClaimBody | None = None


class NewRequestBody(Given):
    request_id: SessionId = Field(description="Made by the caller: asking twice is asking once")
    kind: Annotated[RequestKind, Field(strict=False)]
    payload: dict[str, Any] = Field(default_factory=dict)


class RequestProgressBody(Given):
    state: Literal["acknowledged", "done", "refused"]
    detail: Annotated[str, StringConstraints(max_length=MAX_DETAIL_CHARS)] | None = None


class LeaseBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    holder: str
    expires_at: Moment


class RequestBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    request_id: str
    run: int
    kind: RequestKind
    payload: dict[str, Any]
    state: RequestState
    detail: str | None
    created_at: Moment
    settled_at: Moment | None


class UsageBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cost_microdollars: int = Field(
        description="Millionths of a US dollar, for all tokens but the unpriced ones"
    )
    unpriced_tokens: int = Field(
        description="Tokens of all kinds whose cost is unknown: 0 as cost then does not mean free"
    )


class RunBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    run: int
    started_at: Moment
    finished_at: Moment | None
    exit_code: int | None
    reason: Reason | None
    host: str | None
    lease: LeaseBody | None
    spec: dict[str, Any] | None
    usage: UsageBody


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


class RunOpenedAnswer(SessionAnswer):
    """With the tokens of a run that is leased; they are never said again."""

    run_token: str | None = Field(default=None, description="For the run's supervisor")
    agent_token: str | None = Field(default=None, description="For its agent: opens less")


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


class RunsAnswer(BaseModel):
    runs: list[RunBody]


class RunTokenRevokedAnswer(BaseModel):
    ok: bool = True


class RequestAnswer(BaseModel):
    ok: bool = True
    request: RequestBody


class RequestsAnswer(BaseModel):
    requests: list[RequestBody]


class AppendedAnswer(BaseModel):
    ok: bool = True
    seqs: list[int]


class DeletedCounts(BaseModel):
    session: bool
    events_count: int


class DeletedAnswer(BaseModel):
    ok: bool = True
    session_id: str
    deleted: DeletedCounts


class HealthAnswer(BaseModel):
    service: str
    version: str
    instance: str


class ErrorAnswer(BaseModel):
    detail: str = Field(description="For people")
    code: str = Field(description="For programs; never changes")


class TextBlock(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: str
    text: str | None = None


class NewEventBody(BaseModel):
    """An event as a caller gives it. Unknown types and further fields are kept as they came."""

    model_config = ConfigDict(extra="allow")

    event_type: str
    event_id: str | None = Field(
        default=None, description="Sending it again answers with the stored seq"
    )
    run: int | None = Field(default=None, description="Default: the newest run")
    session_id: str | None = None
    session_name: str | None = None
    timestamp: str | None = None
    tool_name: str | None = None
    tool_input: dict[str, Any] | None = None
    tool_output: Any = None
    error: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    role: str | None = None
    content: list[TextBlock] | None = None
    masked_secrets: int | None = Field(
        default=None, description="Secrets in its texts that were replaced by a mask"
    )


class EventBody(NewEventBody):
    seq: int
    recorded_at: str
    late: bool = Field(description="It came when its run was not the newest any more")


class EventsAnswer(BaseModel):
    events: list[EventBody]
    has_more: bool


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


def run_opened(session: Session, token: str | None) -> SessionAnswer:
    """The answer to who opened a run: with its token, where it has one."""
    body = session_body(session)
    if token is None:
        return SessionAnswer(session=body)
    return RunOpenedAnswer(session=body, run_token=token, agent_token=agent_token_of(token))


def holder_of(lease: LeaseClaimBody | None) -> str | None:
    return None if lease is None else lease.holder


def run_body(run: Run) -> RunBody:
    return RunBody.model_validate(run)


def event_to_wire(event: Event, session_id: str) -> dict[str, Any]:
    """The event's own fields, flat, under what the manager knows of it."""
    return {
        **event.fields,
        "seq": event.seq,
        "event_type": event.event_type,
        "session_id": session_id,
        "event_id": event.event_id,
        "run": event.run,
        "late": event.late,
        "recorded_at": to_text(event.recorded_at),
    }

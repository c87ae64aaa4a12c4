"""The shapes of requests to a run on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from agent_session_manager.api.wire.common import Given, Moment, SessionId
from agent_session_manager.domain.sessions.request import OF_OTHERS, RequestKind, RequestState

MAX_DETAIL_CHARS = 4000


def _of_others(kind: RequestKind) -> RequestKind:
    if kind not in OF_OTHERS:
        raise ValueError(f"only the manager makes requests of the kind {kind.value!r}")
    return kind


class NewRequestBody(Given):
    request_id: SessionId = Field(
        description="Chosen by the client; a known id creates no second request"
    )
    kind: Annotated[
        RequestKind,
        Field(strict=False, description="The kind of the request: `stop`, `message` or `answer`"),
        AfterValidator(_of_others),
    ]
    payload: dict[str, Any] = Field(
        default_factory=dict,
        description='Of a message `{"text": TEXT}`; of an answer `{"choice": ID, "text": TEXT}` or '
        '`{"answers": {ITEM: [TEXT, …]}}`; stored unchanged',
    )


class RequestProgressBody(Given):
    state: Literal["acknowledged", "done", "refused"] = Field(description="The new state")
    detail: Annotated[str, StringConstraints(max_length=MAX_DETAIL_CHARS)] | None = Field(
        default=None, description="Explanation for people"
    )


class RequestBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    request_id: str = Field(description="The request's id")
    run: int = Field(description="Number of the run")
    kind: RequestKind = Field(description="The kind of the request")
    payload: dict[str, Any] = Field(
        description="As it was sent; credentials in it are masked once the request is settled"
    )
    state: RequestState = Field(description="The state of the request")
    detail: str | None = Field(description="Explanation for people")
    created_at: Moment = Field(description="Time of its creation")
    settled_at: Moment | None = Field(description="Time of its final state; null before")


class RequestAnswer(BaseModel):
    ok: bool = True
    request: RequestBody = Field(description="The request as it is now")


class RequestsAnswer(BaseModel):
    requests: list[RequestBody] = Field(description="In the order in which they were made")

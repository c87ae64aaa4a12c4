"""The shapes of requests to a run on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent_session_manager.api.wire.common import Given, Moment, SessionId
from agent_session_manager.domain.request import RequestKind, RequestState

MAX_DETAIL_CHARS = 4000


class NewRequestBody(Given):
    request_id: SessionId = Field(description="Made by the caller: asking twice is asking once")
    kind: Annotated[RequestKind, Field(strict=False)]
    payload: dict[str, Any] = Field(default_factory=dict)


class RequestProgressBody(Given):
    state: Literal["acknowledged", "done", "refused"]
    detail: Annotated[str, StringConstraints(max_length=MAX_DETAIL_CHARS)] | None = None


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


class RequestAnswer(BaseModel):
    ok: bool = True
    request: RequestBody


class RequestsAnswer(BaseModel):
    requests: list[RequestBody]

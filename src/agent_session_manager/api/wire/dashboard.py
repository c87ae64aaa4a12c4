"""The shapes that only the dashboard asks for."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent_session_manager.api.wire.common import Given, Moment, UsageBody


class UsageRowBody(BaseModel):
    """The runs of one agent that began within a bucket of time."""

    model_config = ConfigDict(from_attributes=True)

    start: Moment
    agent_name: str | None
    runs: int
    failed: int = Field(description="Also by time or budget")
    stopped: int
    lost: int
    usage: UsageBody


class UsageAnswer(BaseModel):
    rows: list[UsageRowBody]


class ProjectFacet(BaseModel):
    project_dir: str
    count: int


class AgentFacet(BaseModel):
    agent_name: str
    count: int


class FacetsAnswer(BaseModel):
    projects: list[ProjectFacet]
    agents: list[AgentFacet]


class CodeRequestBody(Given):
    file: bool = Field(default=False, description="Also write a file that leads a browser there")


class CodeAnswer(BaseModel):
    ok: bool = True
    code: str
    expires_in_seconds: float
    file: str | None = Field(description="Its name in the manager's state directory")


class CodeBody(Given):
    code: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class TokenAnswer(BaseModel):
    ok: bool = True
    token: str = Field(description="A page token: it opens what the dashboard needs")


class PageTokenBody(BaseModel):
    """A page token, without the token itself."""

    model_config = ConfigDict(from_attributes=True)

    token_id: str
    created_at: Moment
    last_used_at: Moment
    open_requests: int


class PageTokensAnswer(BaseModel):
    tokens: list[PageTokenBody]


class PageTokenRevokedAnswer(BaseModel):
    ok: bool = True

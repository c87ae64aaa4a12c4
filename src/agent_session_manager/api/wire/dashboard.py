"""Shapes that only the dashboard uses."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent_session_manager.api.wire.common import Given, Moment, SessionId, UsageBody
from agent_session_manager.api.wire.limits import MAX_NUMBER


class UsageRowBody(BaseModel):
    """Usage within one time bucket: of one agent, or of another group.

    The fields of other groups are null. So is the field of the group if its value is unknown.
    """

    model_config = ConfigDict(from_attributes=True)

    start: Moment = Field(description="Time at which the bucket begins")
    agent: str | None = Field(description="Agent of the sessions")
    agent_name: str | None = Field(validation_alias="agent", description="The same as `agent`")
    project_dir: str | None = Field(default=None, description="Directory of the project")
    model: str | None = Field(default=None, description="Model of the requests, as reported")
    session_id: str | None = Field(default=None, description="Id of the session, or of the root")
    session_name: str | None = Field(default=None, description="Name of this session")
    runs: int = Field(description="Number of runs that began in the bucket")
    requests: int = Field(description="Number of model requests that are known one by one")
    failed: int = Field(description="Includes runs that exceeded their time limit or budget")
    stopped: int = Field(description="Number of stopped runs")
    lost: int = Field(description="Number of lost runs")
    open_runs: int | None = Field(
        default=None, description="Number of runs that have not ended; null without `group`"
    )
    unpriced_runs: int | None = Field(
        default=None,
        description="Number of runs that used tokens of unknown cost; null without `group`",
    )
    usage: UsageBody = Field(description="Sum; a part of a total can be negative")
    agent_cost_nanodollars: int | None = Field(
        default=None,
        description="Part of the cost that agents reported; null without `group`",
    )
    table_cost_nanodollars: int | None = Field(
        default=None,
        description="Part of the cost that was computed with tables of prices; null without "
        "`group`",
    )
    oldest_prices: date | None = Field(
        default=None, description="Date of the oldest of these tables"
    )
    newest_prices: date | None = Field(
        default=None, description="Date of the newest of these tables"
    )


class UsageAnswer(BaseModel):
    rows: list[UsageRowBody] = Field(
        description="One row per bucket and group. With `group`, those of a bucket begin with the "
        "most expensive"
    )
    left_out: int = Field(default=0, description="Number of rows beyond `limit`")
    total: UsageRowBody | None = Field(
        default=None, description="Sum of all rows, also of those left out; null without `group`"
    )


class ProjectFacet(BaseModel):
    project_dir: str = Field(description="Directory of the project")
    count: int = Field(description="Number of sessions")


class AgentFacet(BaseModel):
    agent: str = Field(description="Agent of the sessions")
    agent_name: str = Field(description="The same as `agent`")
    count: int = Field(description="Number of sessions")


class HostFacet(BaseModel):
    host: str = Field(description="Machine on which the newest run of the sessions executes")
    count: int = Field(description="Number of sessions")


class FacetsAnswer(BaseModel):
    projects: list[ProjectFacet] = Field(description="Most frequent first")
    agents: list[AgentFacet] = Field(description="Most frequent first")
    hosts: list[HostFacet] = Field(description="Most frequent first")


class GivenPlace(Given):
    session_id: SessionId | None = Field(
        default=None, description="Id of the session. Default: none, but the page Now"
    )
    seq: int | None = Field(
        default=None, ge=1, le=MAX_NUMBER, description="Number of an event of the session"
    )


class CodeRequestBody(Given):
    file: bool = Field(
        default=False, description="Also write a file that redirects a browser to the dashboard"
    )
    place: GivenPlace | None = Field(
        default=None,
        description="Where the file opens the dashboard. Default: at the link that a page without "
        "a token was opened with, or else at the page Now",
    )


class CodeAnswer(BaseModel):
    ok: bool = True
    code: str = Field(description="The code")
    expires_in_seconds: float = Field(description="Time in which the code can be used")
    file: str | None = Field(
        description="Name of the file in the manager's state directory; null if there is no file"
    )


class CodeBody(Given):
    code: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="The code"
    )


class TokenAnswer(BaseModel):
    ok: bool = True
    token: str = Field(description="A page token; it opens the routes that the dashboard needs")


class PageTokenBody(BaseModel):
    """A page token, without the token itself."""

    model_config = ConfigDict(from_attributes=True)

    token_id: str = Field(description="Id of the token")
    created_at: Moment = Field(description="Time of its creation")
    last_used_at: Moment = Field(description="Time of the last request with it")
    open_requests: int = Field(description="Number of open requests with it")


class PageTokensAnswer(BaseModel):
    tokens: list[PageTokenBody] = Field(description="Oldest first; one for each browser")


class PageTokenRevokedAnswer(BaseModel):
    ok: bool = True

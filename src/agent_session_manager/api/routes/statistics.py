"""Statistics for the dashboard: usage by time and agent, and the values to filter by."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.guard.run_scopes import for_pages
from agent_session_manager.api.http.body import JsonRoute
from agent_session_manager.api.http.depends import Served
from agent_session_manager.api.http.responses import answer, refusals
from agent_session_manager.api.wire.common import GivenMoment
from agent_session_manager.api.wire.dashboard import (
    AgentFacet,
    FacetsAnswer,
    ProjectFacet,
    UsageAnswer,
    UsageRowBody,
)
from agent_session_manager.domain.errors import InvalidRequestError

MAX_FACETS = 200
_BUCKETS = {
    "day": (timedelta(days=1), timedelta(days=400)),
    "hour": (timedelta(hours=1), timedelta(days=14)),
}
_MAX_OFFSET_MINUTES = 24 * 60

router = APIRouter(route_class=JsonRoute, tags=["statistics"])


class UsageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    bucket: Literal["day", "hour"] = Field(description="Length of a bucket")
    since: GivenMoment = Field(
        description="Only runs that began since; at most 400 days ago by day, 14 by hour"
    )
    utc_offset_minutes: int = Field(
        default=0,
        ge=-_MAX_OFFSET_MINUTES,
        le=_MAX_OFFSET_MINUTES,
        description="Offset from UTC of the clock at whose midnight a day begins, if there is no "
        "`time_zone`",
    )
    time_zone: str | None = Field(
        default=None,
        max_length=100,
        description="IANA name of the time zone whose days are summed up, such as `Europe/Berlin`",
    )

    @property
    def zone(self) -> tzinfo:
        """The time zone; the offset if no zone is given or the machine does not know it."""
        if self.time_zone is not None:
            with contextlib.suppress(ZoneInfoNotFoundError, ValueError, OSError):
                return ZoneInfo(self.time_zone)
        return timezone(timedelta(minutes=self.utc_offset_minutes))


@router.get("/usage", response_model=UsageAnswer, responses=refusals())
@for_pages
async def sum_usage(query: Annotated[UsageQuery, Query()], manager: Served) -> Response:
    """Sum up the runs that began since a moment, for each day or hour and each agent.

    Use `time_zone` rather than an offset, which changes with daylight saving time. A zone that the
    manager's machine does not know is ignored.
    """
    bucket, furthest = _BUCKETS[query.bucket]
    if datetime.now(UTC) - query.since > furthest:
        raise InvalidRequestError(
            f"since must be at most {furthest.days} days ago for {query.bucket}"
        )
    found = await manager.sum_usage(since=query.since, bucket=bucket, zone=query.zone)
    return answer(UsageAnswer(rows=[UsageRowBody.model_validate(row) for row in found]))


@router.get("/facets", response_model=FacetsAnswer, responses=refusals())
@for_pages
async def list_facets(manager: Served) -> Response:
    """List the projects and agents of sessions that are not archived, the 200 most frequent."""
    found = await manager.list_facets(limit=MAX_FACETS)
    return answer(
        FacetsAnswer(
            projects=[ProjectFacet(project_dir=f.value, count=f.count) for f in found.projects],
            agents=[AgentFacet(agent_name=f.value, count=f.count) for f in found.agents],
        )
    )

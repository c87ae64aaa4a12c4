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
    HostFacet,
    ProjectFacet,
    UsageAnswer,
    UsageRowBody,
)
from agent_session_manager.domain.errors import InvalidRequestError
from agent_session_manager.store.statistics import (
    UsageBucket,
    UsageGroup,
    UsageQuery,
    UsageReport,
)

MAX_FACETS = 200
_BUCKETS = {"day": timedelta(days=1), "hour": timedelta(hours=1)}
_FURTHEST = {
    "day": timedelta(days=400),
    "hour": timedelta(days=14),
}
DEFAULT_ROWS, MAX_ROWS = 1000, 10_000
_MAX_OFFSET_MINUTES = 24 * 60

router = APIRouter(route_class=JsonRoute, tags=["statistics"])


class UsageParameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    bucket: Literal["day", "hour", "week", "all"] = Field(
        description="Length of a bucket. A week begins on Monday. `week`, and `all` for one "
        "bucket, need a `group`"
    )
    since: GivenMoment = Field(
        description="Only usage since; at most 14 days ago by hour, and without a `group` 400 days "
        "ago by day"
    )
    group: Literal["none", "project", "agent", "model", "session", "tree"] | None = Field(
        default=None,
        description="Rows of a bucket, with the sources of their cost. `tree`: a session without a "
        "parent, with all sessions below it. Without it, rows are by agent",
    )
    until: GivenMoment | None = Field(
        default=None, description="Only usage before; needs a `group`"
    )
    limit: int = Field(
        default=DEFAULT_ROWS, ge=1, le=MAX_ROWS, description="Maximum number of rows of a `group`"
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
async def sum_usage(query: Annotated[UsageParameters, Query()], manager: Served) -> Response:
    """Sum up the usage since a moment, for each time bucket and agent, or another group.

    Usage is at the time of its model request. What a run has used beyond its known requests is at
    the start of the run, as are runs. Such a part is negative if the requests exceed the total that
    the agent reported, so that all sums equal the totals of the sessions.

    Use `time_zone` rather than an offset, which changes with daylight saving time. A zone that the
    manager's machine does not know is ignored.
    """
    furthest = _FURTHEST.get(query.bucket)
    if query.group is not None and query.bucket != "hour":
        furthest = None
    if furthest is not None and datetime.now(UTC) - query.since > furthest:
        raise InvalidRequestError(
            f"since must be at most {furthest.days} days ago for {query.bucket}"
        )
    if query.group is not None:
        return answer(_to_answer(await manager.report_usage(_to_query(query, query.group))))
    bucket = _BUCKETS.get(query.bucket)
    if bucket is None or query.until is not None:
        raise InvalidRequestError("until, and a bucket of week or all, need a group")
    found = await manager.sum_usage(since=query.since, bucket=bucket, zone=query.zone)
    return answer(UsageAnswer(rows=[UsageRowBody.model_validate(row) for row in found]))


def _to_query(query: UsageParameters, group: str) -> UsageQuery:
    return UsageQuery(
        since=query.since,
        until=query.until,
        bucket=UsageBucket(query.bucket),
        zone=query.zone,
        group=UsageGroup(group),
        limit=query.limit,
    )


def _to_answer(report: UsageReport) -> UsageAnswer:
    return UsageAnswer(
        rows=[UsageRowBody.model_validate(row) for row in report.rows],
        left_out=report.left_out,
        total=UsageRowBody.model_validate(report.total),
    )


@router.get("/facets", response_model=FacetsAnswer, responses=refusals())
@for_pages
async def list_facets(manager: Served) -> Response:
    """List projects, agents and hosts of the sessions not archived, the 200 most frequent."""
    found = await manager.list_facets(limit=MAX_FACETS)
    return answer(
        FacetsAnswer(
            projects=[ProjectFacet(project_dir=f.value, count=f.count) for f in found.projects],
            agents=[
                AgentFacet(agent=f.value, agent_name=f.value, count=f.count) for f in found.agents
            ],
            hosts=[HostFacet(host=f.value, count=f.count) for f in found.hosts],
        )
    )

"""Statistics: usage over time, and the projects and agents of sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Protocol

from agent_session_manager.domain.sessions.session import Usage


@dataclass(frozen=True, kw_only=True)
class UsageRow:
    """Usage of one agent within one time bucket, and its runs that began then by their ends.

    `usage` is that of model requests at their times. What a run has used beyond its known requests
    is at the start of the run, and is negative if its requests exceed the total of the agent.
    """

    start: datetime
    agent: str | None
    runs: int
    requests: int
    failed: int
    stopped: int
    lost: int
    usage: Usage


class UsageBucket(StrEnum):
    """Length of the time buckets of usage. A week begins on Monday."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    ALL = "all"
    """One bucket for the whole period."""


class UsageGroup(StrEnum):
    """The rows into which the usage of a bucket is divided."""

    NONE = "none"
    PROJECT = "project"
    AGENT = "agent"
    MODEL = "model"
    SESSION = "session"
    TREE = "tree"
    """Sessions without a parent, each with all sessions below it."""


@dataclass(frozen=True, kw_only=True)
class UsageQuery:
    """A period, and how its usage is divided."""

    since: datetime
    until: datetime | None = None
    """The end, which is not part of the period."""
    bucket: UsageBucket
    zone: tzinfo
    group: UsageGroup
    limit: int
    """Maximum number of rows."""


@dataclass(frozen=True, kw_only=True)
class UsageTotal:
    """Usage of a group within one time bucket, with the sources of its cost.

    Only the field of the group has a value; it is None if the value is unknown. A count can be
    negative: see `UsageRow`.
    """

    start: datetime
    project_dir: str | None = None
    agent: str | None = None
    model: str | None = None
    session_id: str | None = None
    session_name: str | None = None
    runs: int
    requests: int
    failed: int
    stopped: int
    lost: int
    open_runs: int
    """Runs of the period that have not ended."""
    unpriced_runs: int
    """Runs that used tokens of unknown cost; those of a model are not counted."""
    usage: Usage
    table_cost_nanodollars: int
    """The part of the cost that the table of prices has; agents have reported the other part."""
    oldest_prices: date | None
    newest_prices: date | None
    """Dates of the tables of prices with which the cost was computed."""

    @property
    def agent_cost_nanodollars(self) -> int:
        return self.usage.cost_nanodollars - self.table_cost_nanodollars


@dataclass(frozen=True, kw_only=True)
class UsageReport:
    """Rows by time, the most expensive first; `total` also counts the rows that were left out."""

    rows: list[UsageTotal]
    left_out: int
    total: UsageTotal


@dataclass(frozen=True, kw_only=True)
class Facet:
    """A value of a session field, and the number of sessions that have it."""

    value: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Facets:
    """Facets of the sessions that are not archived, most frequent first."""

    projects: list[Facet]
    agents: list[Facet]
    hosts: list[Facet]


class StatisticsReads(Protocol):
    """Reads for statistics. They block, like all methods of a store."""

    def sum_usage(self, *, since: datetime, bucket: timedelta, zone: tzinfo) -> list[UsageRow]:
        """Return the usage at `since` or later by agent, oldest bucket first.

        Buckets are days or hours in the time zone, also across changes of its UTC offset.
        """

    def report_usage(self, query: UsageQuery) -> UsageReport:
        """Return the usage of a period. The total is the same for every group and bucket."""

    def list_facets(self, *, limit: int) -> Facets: ...

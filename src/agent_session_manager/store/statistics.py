"""What a store can sum up: what runs came to over time, and which projects and agents there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Protocol

from agent_session_manager.domain.session import Usage


@dataclass(frozen=True, kw_only=True)
class UsageRow:
    """The runs of one agent that began within one bucket of time, by how they ended."""

    start: datetime
    agent_name: str | None
    runs: int
    failed: int
    stopped: int
    lost: int
    usage: Usage


@dataclass(frozen=True, kw_only=True)
class Facet:
    """A value that sessions have in common, and how many have it."""

    value: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Facets:
    """What sessions that are not archived can be told apart by, the most frequent first."""

    projects: list[Facet]
    agents: list[Facet]


class StatisticsReads(Protocol):
    """The reads of a store that sum up. They block, as all of a store's do."""

    def sum_usage(self, *, since: datetime, bucket: timedelta, zone: tzinfo) -> list[UsageRow]:
        """Sum up the runs that began at `since` or later, the oldest bucket first.

        Buckets are days or hours of the zone's clock, also where it changes.
        """

    def list_facets(self, *, limit: int) -> Facets: ...

"""Statistics: the usage of runs over time, and the projects and agents of sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Protocol

from agent_session_manager.domain.session import Usage


@dataclass(frozen=True, kw_only=True)
class UsageRow:
    """Counts of one agent's runs that began within one time bucket, by how they ended."""

    start: datetime
    agent_name: str | None
    runs: int
    failed: int
    stopped: int
    lost: int
    usage: Usage


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


class StatisticsReads(Protocol):
    """Reads for statistics. They block, like all methods of a store."""

    def sum_usage(self, *, since: datetime, bucket: timedelta, zone: tzinfo) -> list[UsageRow]:
        """Return the usage of runs that began at `since` or later, oldest bucket first.

        Buckets are days or hours in the time zone, also across changes of its UTC offset.
        """

    def list_facets(self, *, limit: int) -> Facets: ...

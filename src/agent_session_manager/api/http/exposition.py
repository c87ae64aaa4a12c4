"""The metrics of a manager in the text format of Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

import agent_session_manager
from agent_session_manager.api.http.measured import RequestMetrics
from agent_session_manager.machine.histogram import Histogram
from agent_session_manager.manager.manager import Manager
from agent_session_manager.manager.metrics import SessionCounts
from agent_session_manager.store.search import IndexState

CONTENT_TYPE = CONTENT_TYPE_LATEST
NAMESPACE = "agent_session_manager"


async def expose(manager: Manager, requests: RequestMetrics) -> bytes:
    """Return the metrics of the process, its requests, its manager, and the sessions."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(manager, requests, await manager.metrics.count_sessions()))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Collected(Collector):
    """The metrics at the time of one request."""

    def __init__(self, manager: Manager, requests: RequestMetrics, sessions: SessionCounts) -> None:
        self._manager = manager
        self._requests = requests
        self._sessions = sessions

    def collect(self) -> Iterator[Metric]:
        version = {"version": agent_session_manager.__version__}
        yield InfoMetricFamily(NAMESPACE, "Version of the manager.", version)
        yield from self._of_requests()
        yield from self._of_manager()
        yield from self._of_sessions()

    def _of_requests(self) -> Iterator[Metric]:
        count = CounterMetricFamily(
            f"{NAMESPACE}_requests",
            "Answered requests; those that reach no route have an empty one.",
            labels=["method", "route", "status"],
        )
        for (method, route, status), number in self._requests.answered.items():
            count.add_metric([method, route, str(status)], number)
        yield count
        yield _histogram(
            "request_seconds",
            "Time until the answer to a request begins.",
            self._requests.seconds,
            label="route",
        )
        yield _gauge("requests_open", "Requests under way, streams included.", self._requests.open)

    def _of_manager(self) -> Iterator[Metric]:
        metrics, writer = self._manager.metrics, self._manager.metrics.writer
        yield CounterMetricFamily(
            f"{NAMESPACE}_events", "Events that clients have appended.", metrics.events
        )
        yield _histogram("commit_seconds", "Time of a commit.", {"": writer.commit_seconds})
        yield _histogram(
            "commit_changes", "Changes that share a commit.", {"": writer.commit_changes}
        )
        yield _gauge("changes_waiting", "Changes that wait for a commit.", writer.waiting)
        yield _gauge("feed_readers", "Open readers of feeds.", metrics.readers)
        yield _one_of(
            "search_index", "State of the search index.", IndexState, self._manager.indexing.state
        )

    def _of_sessions(self) -> Iterator[Metric]:
        yield _gauges(
            "sessions_open", "Sessions that run or wait.", "state", self._sessions.by_state
        )
        yield _gauges(
            "sessions_needing_attention",
            "Sessions that need a person.",
            "kind",
            self._sessions.by_attention,
        )


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", about, value)


def _gauges(name: str, about: str, label: str, values: Mapping[Any, int]) -> Metric:
    family = GaugeMetricFamily(f"{NAMESPACE}_{name}", about, labels=[label])
    for of, value in values.items():
        family.add_metric([of], value)
    return family


def _one_of(name: str, about: str, states: type[IndexState], now: IndexState) -> Metric:
    return _gauges(name, about, "state", {state: int(state is now) for state in states})


def _histogram(
    name: str, about: str, values: Mapping[str, Histogram], *, label: str | None = None
) -> Metric:
    labels = None if label is None else [label]
    family = HistogramMetricFamily(f"{NAMESPACE}_{name}", about, labels=labels)
    for of, histogram in values.items():
        buckets = [
            ("+Inf" if bound == math.inf else str(bound), count)
            for bound, count in histogram.buckets()
        ]
        family.add_metric([] if label is None else [of], buckets, histogram.sum)
    return family

"""The metrics for Prometheus, the dashboard of Grafana that shows them, and the readiness."""

from __future__ import annotations

import json
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.store.promises.events import says
from tests.support.api import Api, raw_connection
from tests.support.manager import RunningManager

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "how-to" / "watch-the-manager.md"
GRAFANA = ROOT / "deploy" / "grafana" / "agent-session-manager.json"
PREFIX = "agent_session_manager_"
SESSION = {"session_id": "s", "session_name": "s", "project_dir": "/work"}
Labels = frozenset[tuple[str, str]]
APPEND = "/sessions/{session_id}/events"


def measured(api: Api) -> dict[str, dict[Labels, float]]:
    """Return each sample by its name and its labels."""
    answer = api.get("/metrics")
    assert answer.status == 200
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            found.setdefault(sample.name.removeprefix(PREFIX), {})[labels] = sample.value
    return found


def of(**labels: str) -> Labels:
    return frozenset(labels.items())


def test_metrics_count_what_was_done(own: RunningManager) -> None:
    with Api(own) as api:
        api.post("/sessions", SESSION)
        for text in ("one", "two"):
            assert api.post("/sessions/s/events", says(text)).status == 201
        assert api.get("/sessions/unknown").status == 404
        found = measured(api)
    requests = found["requests_total"]
    assert requests[of(method="POST", route="/sessions", status="201")] == 1
    assert requests[of(method="POST", route=APPEND, status="201")] == 2
    assert requests[of(method="GET", route="/sessions/{session_id}", status="404")] == 1
    assert found["request_seconds_count"][of(route=APPEND)] == 2
    assert found["request_seconds_bucket"][of(route=APPEND, le="+Inf")] == 2
    assert found["requests_open"][of()] == 1
    assert found["events_total"][of()] == 2
    assert found["commit_seconds_count"][of()] >= 3
    assert found["commit_changes_sum"][of()] >= 3
    assert found["changes_waiting"][of()] == 0
    assert found["sessions_open"][of(state="running")] == 1
    assert found["sessions_needing_attention"][of(kind="asks")] == 0
    assert sum(found["search_index"].values()) == 1
    assert found["process_resident_memory_bytes"][of()] > 0


def test_callers_cannot_make_up_labels(own: RunningManager) -> None:
    with Api(own) as api:
        before = set(measured(api)["requests_total"])
        for line in ("GET /made/up/1", "PROPFIND /sessions", "GET /sessions?made=up"):
            with raw_connection(own.port) as peer:
                head = f"{line} HTTP/1.1\r\nHost: 127.0.0.1:{own.port}\r\n\r\n"
                assert peer.ask(head.encode()).status == 401
        new = set(measured(api)["requests_total"]) - before
    assert new == {
        of(method="GET", route="", status="401"),
        of(method="other", route="", status="401"),
        of(method="GET", route="/metrics", status="200"),
    }


def test_documented_and_shown_metrics_exist(own: RunningManager) -> None:
    with Api(own) as api:
        api.post("/sessions", SESSION)
        known = set(measured(api))
    names = {re.sub("_(bucket|count|sum)$", "", name) for name in known}
    documented = set(re.findall(rf"`{PREFIX}(\w+)`", PAGE.read_text("utf-8")))
    assert documented == {name for name in names if not name.startswith(("process_", "info"))}
    dashboard = json.loads(GRAFANA.read_text("utf-8"))
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            named = set(re.findall(rf"(?:{PREFIX}|process_)\w+", target["expr"]))
            assert named, panel["title"]
            assert {name.removeprefix(PREFIX) for name in named} <= known, panel["title"]


def test_ready_needs_no_token(own: RunningManager) -> None:
    with Api(own) as api:
        api.headers = {}
        answer = api.get("/ready")
        assert (answer.status, answer.json) == (200, {"ready": True})
        assert api.get("/metrics").status == 401

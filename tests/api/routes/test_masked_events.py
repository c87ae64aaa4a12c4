"""Masking of secrets in stored events, and transcripts, which are stored unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.outbox.outbox import Outbox, Run
from agent_orchestrator.runs.delivery import delivery_of
from agent_orchestrator.transcripts.appends import DirectAppends
from agent_orchestrator.transcripts.batch import Batch
from agent_orchestrator.transcripts.mirror import OutboxAppends
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.rows import each_row

TOKEN = "ghp_" + "aB3dE5" * 6
MASK = "[masked: github-token]"


def test_secrets_are_masked_and_counted_once(api: Api, session_id: str) -> None:
    path = f"/sessions/{session_id}"
    event = {"event_type": "x", "event_id": "e", "tool_input": {"a": [TOKEN, TOKEN]}}
    sent = {"event_type": "y", "note": MASK, "masked_secrets": 3}
    for _ in range(2):
        assert api.post(f"{path}/events", [event]).json["seqs"] == [1]
    assert api.post(f"{path}/events", sent).json["seqs"] == [2]
    first, second = api.get(f"{path}/events").json["events"]
    assert first["tool_input"] == {"a": [MASK, MASK]}
    assert (first["masked_secrets"], second["masked_secrets"]) == (2, 3)
    assert api.get(path).json["session"]["masked_secrets"] == 5


@each_row("count", [-1, 10_001, "1", True])
def test_invalid_count_of_masked_secrets_is_refused(
    api: Api, session_id: str, count: object
) -> None:
    event = {"event_type": "x", "masked_secrets": count}
    refusal = api.post(f"/sessions/{session_id}/events", event).refusal
    assert refusal == (422, "invalid_event")


def test_control_token_is_masked_in_events(
    api: Api, manager: RunningManager, session_id: str
) -> None:
    path = f"/sessions/{session_id}/events"
    api.post(path, {"event_type": "x", "text": f"({manager.token})"})
    [event] = api.get(path).json["events"]
    assert event["text"] == "([masked: control-token])"


def test_events_of_earlier_clients_are_masked(api: Api, session_id: str) -> None:
    event = {"event_type": "message", "session_id": session_id, "session_name": "s"}
    content = [{"type": "text", "text": TOKEN}]
    api.post("/events", {**event, "timestamp": "2026-11-22T12:00:00Z", "content": content})
    [kept] = api.get(f"/sessions/{session_id}/events").json["events"]
    assert kept["content"] == [{"type": "text", "text": MASK}]


def test_specs_and_settled_messages_are_masked(api: Api, new_id: Callable[[], str]) -> None:
    one, spec = new_id(), {"command": ["curl", TOKEN]}
    api.post("/sessions", {"session_id": one, "session_name": one, "spec": spec})
    [run] = api.get(f"/sessions/{one}/runs").json["runs"]
    assert run["spec"] == {"command": ["curl", MASK]}
    path = f"/sessions/{one}/runs/1/requests"
    for name in ("done", "expired"):
        body = {"request_id": name, "kind": "message", "payload": {"text": TOKEN}}
        assert api.post(path, body).json["request"]["payload"] == {"text": TOKEN}
    settled = api.put(f"{path}/done", {"state": "done", "detail": TOKEN}).json["request"]
    assert (settled["payload"], settled["detail"]) == ({"text": MASK}, MASK)
    assert api.get(f"{path}/expired").json["request"]["payload"] == {"text": TOKEN}
    api.post(f"/sessions/{one}/events", {"event_type": "session_stop", "run": 1})
    expired = api.get(f"{path}/expired").json["request"]
    assert (expired["state"], expired["payload"]) == ("expired", {"text": MASK})


def test_raw_transcript_entries_are_readable_on_one_route_only(api: Api, session_id: str) -> None:
    where = f"project_key=p&session_id={session_id}"
    line = {"uuid": "u", "text": f"marker-of-a-line {TOKEN}"}
    assert api.post(f"/transcripts/entries?{where}", [line]).status == 201
    api.post(f"/sessions/{session_id}/events", {"event_type": "session_stop"})
    documented = api.get("/openapi.json").json["paths"]
    filled = {"{session_id}": session_id, "{run}": "1", "{request_id}": "r"}
    holding = set()
    for route, methods in documented.items():
        target = route
        for name, value in filled.items():
            target = target.replace(name, value)
        if route.startswith("/transcripts"):
            target += f"?{where}" if route != "/transcripts" else "?project_key=p"
        if "get" in methods and b"marker-of-a-line" in api.get(target).body:
            holding.add(route)
    assert holding == {"/transcripts/entries"}
    assert api.get(f"/transcripts/entries?{where}").json["entries"] == [line]
    api.headers.pop("Authorization")
    assert api.get(f"/transcripts/entries?{where}").refusal == (401, "unauthorized")


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningManager]:
    """Start a manager that stores no transcripts."""
    running = RunningManager(tmp_path_factory.mktemp("forgetful"), arguments=["--no-transcripts"])
    yield running
    running.stop()


def test_mirror_works_with_a_manager_that_refuses_transcripts(
    forgetful: RunningManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(forgetful.state_dir))
    with Api(forgetful) as api:
        target = "/transcripts/entries?project_key=p&session_id=s"
        assert api.post(target, [{"uuid": "u"}]).refusal == (403, "transcripts_off")
        api.post("/sessions", {"session_id": "s", "session_name": "s"})
        batch = Batch(batch_id="b", project_key="p", session_id="s", subpath=None, lines=("{}",))
        with ManagerClient(forgetful.url) as client:
            DirectAppends(client).append(batch)
            run = Run(session_id="s", run=1, url=forgetful.url)
            with Outbox(tmp_path / "s.1.db", run) as outbox:
                OutboxAppends(outbox).append(batch)
                outbox.add({"event_type": "x", "event_id": "e"})
                delivery_of(client, outbox, patience_seconds=5.0).deliver()
                assert (outbox.count_waiting(), outbox.list_refused()) == (0, [])
        assert len(api.get("/sessions/s/events").json["events"]) == 1
        assert api.get("/transcripts?project_key=p").json["transcripts"] == []

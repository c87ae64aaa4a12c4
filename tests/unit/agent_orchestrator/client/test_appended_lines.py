from __future__ import annotations

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.session_client import SessionClientError
from tests.support.recording import Received, Reply, json_reply, recording

KEY = {"project_key": "p", "session_id": "s"}
LINES = [b'{"a":1}', b'{"b":2}']


def test_lines_are_sent_as_they_are() -> None:
    reply = json_reply({"ok": True, "appended": 2, "last_position": 2}, 201)
    with recording(reply) as server, ManagerClient(server.url) as client:
        assert client.append_entries(KEY, LINES, batch_id="b")["appended"] == 2
    [request] = server.requests
    assert request.body == b'{"a":1}\n{"b":2}'
    assert request.headers["content-type"] == "application/jsonl"


def test_manager_of_an_earlier_version_gets_an_array() -> None:
    def reply(request: Received) -> Reply:
        if request.headers["content-type"] != "application/json":
            return json_reply({"code": "json_only", "detail": "send JSON"}, 415)
        return json_reply({"ok": True, "appended": 2, "last_position": 2}, 201)

    with recording(reply) as server, ManagerClient(server.url) as client:
        assert client.append_entries(KEY, LINES, batch_id="b")["last_position"] == 2
    assert [request.body for request in server.requests][1:] == [b'[{"a":1},{"b":2}]']


def test_other_refusals_are_not_tried_again() -> None:
    reply = json_reply({"code": "record_behind", "detail": "behind"}, 409)
    with (
        recording(reply) as server,
        ManagerClient(server.url) as client,
        pytest.raises(SessionClientError, match="record_behind|behind"),
    ):
        client.append_entries(KEY, LINES, batch_id="b")
    assert len(server.requests) == 1

"""A run's token on the client's side: managers and processes that do and do not receive it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.client.opened_run import RunTokens
from agent_orchestrator.machine.environment import (
    agent_environment,
    run_token_for,
    run_variables,
    supervisor_environment,
)
from agent_orchestrator.runs.assignment import Assignment
from agent_orchestrator.session_client import SessionClientError
from tests.support.answers import a_session
from tests.support.recording import json_reply, recording
from tests.support.rows import each_row
from tests.unit.agent_orchestrator.runs.test_assignment import ASSIGNMENT

TOKEN = "run-" + "t" * 43
URL = "http://127.0.0.1:8765"
SESSION = a_session("s")


def inside(patch: pytest.MonkeyPatch, url: str = URL) -> None:
    """Set the variables that a run of this manager has."""
    for name, value in run_variables(TOKEN, url).items():
        patch.setenv(name, value)


@each_row(
    ("url", "is_its_own"),
    [
        (URL, True),
        (URL + "/", True),
        ("http://localhost:8765", True),
        ("http://[::1]:8765", True),
        ("http://127.0.0.1:8766", False),
        ("http://127.0.0.1", False),
        ("https://127.0.0.1:8765", False),
        ("http://127.0.0.1:8765/other", False),
        ("http://127.0.0.2:8765", False),
        ("http://127.0.0.1.evil.test:8765", False),
        ("http://127.0.0.1:8765@evil.test", False),
        ("http://evil.test:8765", False),
    ],
)
def test_token_is_for_one_manager(
    monkeypatch: pytest.MonkeyPatch, url: str, is_its_own: bool
) -> None:
    inside(monkeypatch)
    assert run_token_for(url) == (TOKEN if is_its_own else None)


@each_row("url", ["", "http://127.0.0.1:no", "http://[::1"])
def test_token_without_a_manager_is_never_used(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    inside(monkeypatch, url)
    assert run_token_for(URL) is None
    assert run_token_for("http://") is None or url == ""


def test_token_is_missing_outside_of_runs() -> None:
    assert run_token_for(URL) is None
    assert run_variables(None, URL) == {}


def test_nested_runs_do_not_inherit_the_outer_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside(monkeypatch)
    monkeypatch.setenv("AGENT_ORCHESTRATOR_TOKEN", "control")
    for environment in (agent_environment(), supervisor_environment()):
        assert not run_variables(TOKEN, URL).keys() & environment.keys()
        assert TOKEN not in environment.values()
    assert "AGENT_ORCHESTRATOR_TOKEN" not in agent_environment()


def test_assignment_carries_the_token_but_does_not_show_it() -> None:
    assignment = replace(ASSIGNMENT, run_token=TOKEN, agent_token="agent-x")
    assert Assignment.from_json(assignment.to_json()) == assignment
    assert not [token for token in (TOKEN, "agent-x") if token in repr(assignment)]


@each_row("is_configured", [True, False])
def test_token_is_sent_to_a_local_port_only_if_configured(
    is_configured: bool,
) -> None:
    with (
        recording() as server,
        ManagerClient(server.url, run_token=TOKEN, is_configured=is_configured) as client,
    ):
        with suppress(SessionClientError):
            client.get_status("s")
        sent = server.requests[-1].headers.get("authorization")
    assert sent == (f"Bearer {TOKEN}" if is_configured else None)


@each_row("opened", ["create_named_session", "open_run"])
def test_opened_run_returns_its_session_and_tokens(opened: str) -> None:
    opening = {"session": SESSION, "run_token": TOKEN, "agent_token": "agent-x"}
    reply = json_reply(opening, 201)
    with recording(reply) as server, ManagerClient(server.url) as client:
        if opened == "open_run":
            found = client.open_run("s", holder="h")
        else:
            found = client.create_named_session("s", "s", project_dir="/p", holder="h")
    assert found[:2] == (SESSION, RunTokens(run=TOKEN, agent="agent-x"))


def test_older_manager_returns_no_tokens() -> None:
    reply = json_reply({"session": SESSION}, 201)
    with recording(reply) as server, ManagerClient(server.url) as client:
        assert client.open_run("s", holder="h") == (SESSION, RunTokens(), None)
        assert not client.is_of_a_run

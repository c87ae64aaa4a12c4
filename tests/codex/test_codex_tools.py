"""The orchestrator's MCP server in a thread of Codex, beside those of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent_orchestrator.agents.agent import Agent
from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.base import Continuation, RunSpec
from agent_orchestrator.executors.mcp_server import McpServer, other_name
from tests.codex.conftest import only, text_of
from tests.codex.scripted import END, SAID, error_of, play
from tests.support.rows import each_row

TOKEN = "agent-secret"
SERVER = McpServer(url="http://127.0.0.1:1/mcp", token=TOKEN)
OURS = {
    "url": "http://127.0.0.1:1/mcp",
    "bearer_token_env_var": "AGENT_ORCHESTRATOR_RUN_TOKEN",
    "default_tools_approval_mode": "approve",
}
NAME = "agent-orchestrator"
RESUME = Continuation(resume=True, conversation_id="thread-1")
FORK = Continuation(fork_of="s", conversation_id="thread-1")


def played(directory: Path, **options: Any) -> tuple[list[Event], list[dict[str, Any]]]:
    """Return the events of a run, and what Codex has received."""
    directory.mkdir()
    events = play(directory, SAID, END, **options)
    (log,) = directory.glob("*/received.jsonl")
    return events, [json.loads(line) for line in log.read_text().splitlines()]


def thread_of(received: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Return the method that has opened the thread, and the servers of the thread."""
    (opened,) = [each for each in received if each.get("method", "").startswith("thread/")]
    return opened["method"], opened["params"].get("config", {}).get("mcp_servers", {})


@each_row(
    "continues, method",
    [(Continuation(), "thread/start"), (RESUME, "thread/resume"), (FORK, "thread/fork")],
)
def test_each_thread_gets_the_server_and_no_token(
    tmp_path: Path, continues: Continuation, method: str
) -> None:
    fields = {"mcp": SERVER, "continues": continues}
    events, received = played(tmp_path / method.replace("/", "-"), fields=fields)
    assert thread_of(received) == (method, {NAME: OURS})
    assert error_of(events) is None
    first, *messages = received
    assert first["token"] == TOKEN
    assert TOKEN not in json.dumps([first["arguments"], messages, events])


def test_run_without_the_server_reads_no_configuration(tmp_path: Path) -> None:
    _, received = played(tmp_path / "run")
    assert thread_of(received) == ("thread/start", {})
    assert "config/read" not in [each.get("method") for each in received]
    assert received[0]["token"] is None


def test_servers_of_one_name_are_kept_apart_and_told(tmp_path: Path) -> None:
    """Codex would mix two servers of one name."""
    agent = Agent(name="a", source=tmp_path, mcp_servers={"notes": {"command": "theirs"}})
    spec = RunSpec(executor="codex", project_dir=tmp_path, agent=agent)
    fields = {"mcp": SERVER, "session_id": "s1", "spec": spec}
    configured = json.dumps({NAME: {"command": "ao-mcp"}, "notes": {"command": "mine"}})
    events, received = played(tmp_path / "run", fields=fields, CONFIGURED=configured)
    assert thread_of(received)[1] == {
        "notes": {"command": "theirs"},
        NAME: {"enabled": False},
        other_name("s1"): OURS,
    }
    ours, notes = [text_of(event) for event in only(events, "diagnostic")]
    assert "left out of this run" in ours and other_name("s1") in ours
    assert "'notes'" in notes and "rename one" in notes


def test_run_without_the_tools_leaves_out_the_persons_own(tmp_path: Path) -> None:
    """The agent would act as the person through that server."""
    spec = RunSpec(executor="codex", project_dir=tmp_path, mcp=False)
    configured = json.dumps({NAME: {"command": "ao-mcp"}, "notes": {"command": "mine"}})
    events, received = played(tmp_path / "run", fields={"spec": spec}, CONFIGURED=configured)
    assert thread_of(received)[1] == {NAME: {"enabled": False}}
    (told,) = only(events, "diagnostic")
    assert "left out of this run" in text_of(told)


def test_definitions_server_of_our_name_stays(tmp_path: Path) -> None:
    agent = Agent(name="a", source=tmp_path, mcp_servers={NAME: {"command": "theirs"}})
    spec = RunSpec(executor="codex", project_dir=tmp_path, agent=agent)
    events, received = played(tmp_path / "run", fields={"mcp": SERVER, "spec": spec})
    assert thread_of(received)[1] == {NAME: {"command": "theirs"}}
    (clash,) = only(events, "diagnostic")
    assert "rename the definition's server" in text_of(clash)

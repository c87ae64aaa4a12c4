"""An agent of the Agent Client Protocol, run and resumed by the commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from agent_orchestrator.client.manager import ManagerClient
from tests.acp.conftest import DONE, PROGRAM, text
from tests.commands.processes import kill_supervisor
from tests.commands.shell import FAILED, USAGE, Shell
from tests.commands.test_secrecy import BEARERS
from tests.support.rows import each_row
from tests.support.waiting import wait_for


def test_resume_continues_the_agents_conversation(shell: Shell, tmp_path: Path) -> None:
    script, log = tmp_path / "script.json", tmp_path / "log"
    script.write_text(
        json.dumps([["serve", {"sessionCapabilities": {"resume": {}}}], text("Hi."), DONE])
    )
    program = (sys.executable, "-IS", str(PROGRAM), str(script), str(log))
    new = shell.run("ao-new", "x", "-p", "hi", "--executor", "acp", "--", *program)
    assert (new.exit_code, new.stdout.strip()) == (0, "Hi."), new
    again = shell.run("ao-resume", "x", "-p", "more")
    assert (again.exit_code, again.stdout.strip()) == (0, "Hi."), again
    sent = [json.loads(line) for line in log.read_text().splitlines()]
    (resumed,) = [each["params"] for each in sent if each["method"] == "session/resume"]
    assert resumed["sessionId"] == "conversation-1"
    assert len([each for each in sent if each["method"] == "session/new"]) == 1
    purged = shell.run("ao-clean", "x", "--purge", "--yes")
    assert (purged.exit_code, purged.stdout.startswith("deleted x (")) == (FAILED, True)
    assert purged.stderr == (
        "ao-clean: 'x': an agent of the Agent Client Protocol keeps its own record of the "
        "conversation: delete it there\n"
    )


def with_counter(shell: Shell, tmp_path: Path) -> Shell:
    """Return a shell that has an agent `counter`, which counts the words of its prompt."""
    agents = tmp_path / "agents" / "counter"
    agents.mkdir(parents=True, exist_ok=True)
    definition = {"name": "counter", "description": "Counts.", "command": ["wc", "-w"]}
    (agents / "agent.json").write_text(json.dumps(definition))
    return shell.having(AGENT_ORCHESTRATOR_AGENTS_DIR=str(agents.parent))


@each_row("capabilities", [{}, {"mcpCapabilities": {"http": True}}])
def test_agent_leads_with_its_tools_over_both_transports(
    shell: Shell, records: ManagerClient, tmp_path: Path, capabilities: dict[str, Any]
) -> None:
    """In a project whose modules have the names of ours."""
    shell = with_counter(shell, tmp_path)
    for package in ("agent_orchestrator", "lib"):
        (shell.directory / f"{package}.py").write_text("raise SystemExit(7)")
    transport = "http" if capabilities else "stdio"
    given: dict[str, Any] = {"name": f"child-{transport}", "prompt": "one two", "agent": "counter"}
    given["notify"] = False  # a message about the end could come before the answer
    waiting = {"sessions": [given["name"]], "seconds": 45}
    script, log = tmp_path / f"{transport}.json", tmp_path / f"{transport}.log"
    steps = [["serve", capabilities], ["call", "start_session", given]]
    steps += [["call", "wait_sessions", waiting], DONE]
    script.write_text(json.dumps(steps))
    program = (sys.executable, "-IS", str(PROGRAM), str(script), str(log))
    lead = shell.run("ao-new", transport, "-p", "hi", "--executor", "acp", "--", *program)
    assert lead.exit_code == 0, lead
    decoder = json.JSONDecoder()
    started, end = decoder.raw_decode(lead.stdout)
    waited, _ = decoder.raw_decode(lead.stdout, end)
    (parent,) = records.find_sessions(session_name=transport, project_dir=str(shell.directory))
    assert started["parent_session_id"] == parent["session_id"]
    assert waited["ended"][0]["result"] == {"text": "2\n"}
    events = json.dumps(list(records.iterate_events(parent["session_id"])))
    assert not BEARERS.search(events)
    assert not BEARERS.search((shell.state_dir / "supervisors.log").read_text())


RESUMABLE: list[Any] = ["serve", {"sessionCapabilities": {"resume": {}}}]
LEADS: list[Any] = [
    RESUMABLE,
    ["call", "start_session", {"name": "child", "prompt": "one two", "agent": "counter"}],
    ["await", "session/prompt"],
]
"""The agent starts a child, and gets its notice as a prompt."""


def with_joining_agent(shell: Shell, tmp_path: Path) -> tuple[Shell, Path, Path]:
    """Return a shell with an agent that takes prompts in its turn, its script and its log."""
    shell = with_counter(shell, tmp_path)
    script, log = tmp_path / "script.json", tmp_path / "log"
    program = [sys.executable, "-IS", str(PROGRAM), str(script), str(log)]
    add_preset(shell, f'[joining]\ncommand = {program}\nmid_turn = "join"\n')
    return shell, script, log


def test_notice_that_the_agent_refuses_is_held(
    shell: Shell, records: ManagerClient, tmp_path: Path
) -> None:
    """It was given to the agent as a prompt that joins its running turn."""
    shell, script, log = with_joining_agent(shell, tmp_path)
    refused = ["fail", {"code": 1, "message": "Busy"}, -1]
    failed = ["fail", {"code": 1, "message": "Overloaded"}]
    steps = [*LEADS, refused, failed]
    script.write_text(json.dumps(steps))
    lead = shell.run("ao-new", "lead", "-p", "hi", "--executor", "joining", "--json")
    assert lead.exit_code == FAILED, lead
    (session,) = records.find_sessions(session_name="lead", project_dir=str(shell.directory))
    assert (session["undelivered_notices"], session["notices_held"]) == (1, "failed")
    script.write_text(json.dumps([RESUMABLE, text("Heard."), DONE]))
    assert shell.run("ao-resume", "lead", "-p", "Next.").stdout == "Heard.\n"
    *_, last = [json.loads(line) for line in log.read_text().splitlines()]
    assert "| 2" in str(last["params"]["prompt"])
    assert records.get_session(session["session_id"])["undelivered_notices"] == 0


def test_notice_told_before_a_kill_is_told_by_the_next_run(
    shell: Shell, records: ManagerClient, tmp_path: Path
) -> None:
    """The supervisor dies after it has told the agent, and before the record shows it."""
    shell, script, log = with_joining_agent(shell, tmp_path)
    script.write_text(json.dumps([*LEADS, ["await", "the end of input"]]))
    lead = shell.run("ao-new", "lead", "-p", "hi", "--executor", "joining", "--detach")
    session_id = lead.stdout.strip()
    wait_for(lambda: log.exists() and "| 2" in log.read_text(), "the agent has the notice")
    kill_supervisor(shell.state_dir, session_id)
    script.write_text(json.dumps([RESUMABLE, text("Heard."), DONE]))
    assert shell.run("ao-resume", "lead", "-p", "Next.").stdout == "Heard.\n"
    reasons = [run["reason"] for run in records.list_runs(session_id)]
    assert reasons == ["lost", "completed"]
    told = [line for line in log.read_text().splitlines() if "| 2" in line]
    events = [e for e in records.iterate_events(session_id) if e.get("notice_batch")]
    assert (len(told), [event["run"] for event in events]) == (2, [2])
    assert records.get_session(session_id)["undelivered_notices"] == 0


def add_preset(shell: Shell, preset: str) -> None:
    presets = Path(shell.environment["HOME"]) / ".config" / "agent-orchestrator" / "acp.toml"
    presets.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    presets.write_text(preset)


def test_conversation_that_a_resume_would_lose_is_left_alone(shell: Shell, tmp_path: Path) -> None:
    """As that of Gemini CLI. The person gets the agent's own command."""
    script, log = tmp_path / "script.json", tmp_path / "log"
    script.write_text(json.dumps([["serve", {"loadSession": True}], text("Hi."), DONE]))
    program = [sys.executable, "-IS", str(PROGRAM), str(script), str(log)]
    add_preset(shell, f'[frail]\ncommand = {program}\ncontinue_with = "frail --resume {{id}}"\n')
    assert shell.run("ao-new", "x", "-p", "hi", "--executor", "frail").stdout == "Hi.\n"
    before = log.read_text()
    refused = shell.run("ao-resume", "x", "-p", "more")
    assert refused.exit_code == USAGE and "`frail --resume conversation-1`" in refused.stderr
    assert log.read_text() == before

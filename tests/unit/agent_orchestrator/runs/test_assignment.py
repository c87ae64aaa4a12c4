from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agent_orchestrator.agents.agent import Agent
from agent_orchestrator.executors.base import Continuation, RunSpec
from agent_orchestrator.runs.assignment import Assignment
from tests.support.rows import each_row

AGENT = Agent(
    name="reviewer",
    source=Path("/p/.claude/agents/reviewer.md"),
    description="naïve 🦾",
    executor="claude",
    command=("wc", "-w"),
    system_prompt="line\nline \u2028",
    tools=("Read", "Bash(git *)"),
    disallowed_tools=("Write",),
    model="haiku",
    permission_mode="plan",
    mcp_servers={"one": {"command": "x", "args": ["a"], "env": {"A": "1"}}},
)
ASSIGNMENT = Assignment(
    url="http://127.0.0.1:8765",
    session_id="s",
    session_name="naïve 🦾",
    run=3,
    holder="host:1:abc",
    term_seconds=45.0,
    prompt="do\0this\n" + "x" * 100_000,
    spec=RunSpec(
        executor="claude",
        project_dir=Path("/p/with space"),
        agent=AGENT,
        model="opus",
        permission_mode="acceptEdits",
        command=("sh", "-c", 'echo "$A"'),
        transcripts=False,
        ask="600",
    ),
    environment={"A": "1", "Ä": "ö"},
    continues=Continuation(fork_of="t", conversation_id="c"),
    timeout_seconds=0.5,
)


def with_agent(agent: Agent) -> Assignment:
    return replace(ASSIGNMENT, spec=replace(ASSIGNMENT.spec, agent=agent))


@each_row(
    "assignment",
    [
        ASSIGNMENT,
        with_agent(Agent(name="bare", source=Path("a.json"))),
        with_agent(replace(AGENT, tools=None)),
        with_agent(replace(AGENT, tools=())),
        replace(
            ASSIGNMENT,
            spec=RunSpec(executor="command", project_dir=Path("/p")),
            environment={},
            continues=Continuation(resume=True),
            timeout_seconds=None,
        ),
    ],
    ids=["full", "bare agent", "all tools", "no tools", "no agent"],
)
def test_assignment_survives_a_round_trip(assignment: Assignment) -> None:
    text = assignment.to_json()
    assert Assignment.from_json(text) == assignment
    assert "\n" not in text


def test_prompt_that_is_not_utf_8_survives_a_round_trip() -> None:
    """Python reads bytes that are not UTF-8 as lone surrogates; JSON escapes these in ASCII."""
    assignment = replace(ASSIGNMENT, prompt="a\udcffb")
    assert Assignment.from_json(assignment.to_json().encode("ascii").decode()) == assignment

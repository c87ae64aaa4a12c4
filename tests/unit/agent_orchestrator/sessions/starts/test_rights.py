"""A session that an agent orders has no more rights than the agent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent_orchestrator.agents.agent import Agent
from agent_orchestrator.executors.base import RunSpec
from agent_orchestrator.sessions.errors import SessionUsageError
from agent_orchestrator.sessions.starts.rights import limited
from tests.support.rows import each_row

PROJECT = Path("/work/app")
PARENT = RunSpec(executor="claude", project_dir=PROJECT)


def agent(source: str = "/home/me/agents/a/agent.json", **fields: object) -> Agent:
    return Agent(name="a", source=Path(source), **fields)  # type: ignore[arg-type]


@each_row(
    "parent, defined, expected",
    [
        (None, None, None),  # both have the default
        ("plan", None, "plan"),
        ("plan", "acceptEdits", "plan"),
        ("default", "plan", None),
        ("default", "auto", "default"),
        ("dontAsk", "default", None),
        ("acceptEdits", "bypassPermissions", "acceptEdits"),
        ("auto", "bypassPermissions", "auto"),
        ("auto", "odd", "auto"),
        ("odd", "plan", "odd"),
        ("odd", "odd", None),
        ("bypassPermissions", "bypassPermissions", None),
        ("bypassPermissions", "odd", None),
    ],
)
def test_mode_is_at_most_that_of_the_parent(
    parent: str | None, defined: str | None, expected: str | None
) -> None:
    child = RunSpec(executor="claude", project_dir=PROJECT, agent=agent(permission_mode=defined))
    allowed = limited(child, replace(PARENT, permission_mode=parent))
    assert allowed.permission_mode == expected
    # The same for a mode that the spec of an earlier run has, as in a resume.
    resumed = replace(child, agent=None, permission_mode=defined)
    again = limited(resumed, replace(PARENT, permission_mode=parent))
    assert again.permission_mode == (expected or defined)


def test_mode_of_the_parents_definition_counts_too() -> None:
    parent = replace(PARENT, agent=agent(permission_mode="plan"))
    assert limited(PARENT, parent).permission_mode == "plan"


def test_program_has_all_rights_so_its_children_may_too() -> None:
    parent = RunSpec(executor="command", project_dir=PROJECT, command=("lead",))
    child = replace(PARENT, permission_mode="bypassPermissions")
    assert limited(child, parent) == child


@each_row(
    "definition, is_allowed",
    [
        (agent(command=("wc",)), True),
        (agent("/work/app/agents/a/agent.json", command=("wc",)), False),
        (agent(mcp_servers={"notes": {"command": "sh"}}), True),
        (agent("/work/app/a.md", mcp_servers={"notes": {"command": "sh"}}), False),
        (agent("/work/app/../app/a.md", mcp_servers={"notes": {}}), False),
        (agent("/work/app/a.md"), True),
        (agent("/work/apple/a.md", command=("wc",)), True),
    ],
    ids=lambda value: str(getattr(value, "source", value)),
)
def test_definition_that_starts_programs_is_not_the_parents(
    definition: Agent, is_allowed: bool
) -> None:
    child = RunSpec(
        executor="command" if definition.command else "claude",
        project_dir=PROJECT,
        agent=definition,
        command=definition.command,
    )
    if is_allowed:
        assert limited(child, PARENT) == child
    else:
        with pytest.raises(SessionUsageError, match="ask the person"):
            limited(child, PARENT)
    assert limited(child, replace(PARENT, permission_mode="bypassPermissions")) == child


@each_row("definition", [None, agent(command=("wc",))], ids=str)
def test_program_of_an_earlier_run_is_not_started_again(definition: Agent | None) -> None:
    child = RunSpec(executor="command", project_dir=PROJECT, agent=definition, command=("rm", "-r"))
    with pytest.raises(SessionUsageError, match="a person can"):
        limited(child, PARENT)

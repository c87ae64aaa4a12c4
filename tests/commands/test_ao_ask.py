"""`--ask` of `ao-new` and `ao-resume`: how long an agent's questions wait for a person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.executors.base import RunSpec
from agent_orchestrator.sessions.starts.next_run import Given, plan_next
from agent_orchestrator.sessions.starts.plan import sealed
from tests.commands.shell import USAGE, Ended, Shell
from tests.support.rows import each_row

SAME = Given()


@each_row(
    "options, variable, problem",
    [
        (
            ("--ask", "10m", "--executor", "command", "--", "true"),
            "",
            "--ask is for agents that can ask: the command executor never asks a person",
        ),
        (
            ("--ask", "soon"),
            "",
            "Invalid value for '--ask': 'soon' is not deny, forever, or a time such as 90s, 10m, "
            "2h or 1d. See ao-new --help.",
        ),
        (
            (),
            "999d",
            "AGENT_ORCHESTRATOR_ASK: '999d' is longer than 365d; give forever for no limit",
        ),
    ],
)
def test_policy_that_cannot_apply_is_a_usage_error(
    shell: Shell, options: tuple[str, ...], variable: str, problem: str
) -> None:
    asking = shell.having(AGENT_ORCHESTRATOR_ASK=variable)
    ended = asking.run("ao-new", "x", "-p", "hi", *options)
    assert ended == Ended(USAGE, "", f"ao-new: {problem}\n")


def test_variable_does_not_apply_to_programs(shell: Shell) -> None:
    asking = shell.having(AGENT_ORCHESTRATOR_ASK="10m")
    command = ("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
    assert asking.run(*command) == Ended(0, "hi\n", "")
    assert asking.run("ao-resume", "x", "-p", "ho") == Ended(0, "ho\n", "")


def test_resume_repeats_the_policy(
    records: ManagerClient, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_with(records, RunSpec(executor="claude", project_dir=project, ask="600"))
    monkeypatch.setenv("AGENT_ORCHESTRATOR_ASK", "forever")
    assert plan_next(records, session, SAME).ask == "600"
    assert plan_next(records, session, replace(SAME, ask="deny")).ask == "deny"
    definition = project / ".agent-orchestrator/agents/cat/agent.json"
    definition.parent.mkdir(parents=True)
    definition.write_text('{"command": ["cat"]}')
    assert plan_next(records, session, replace(SAME, agent="cat")).ask == "deny"
    # The policy of a spec that this machine has not sealed does not count.
    (stored,) = records.list_runs(session["session_id"])
    stored["spec"]["ask"] = "1"
    other = new_session(records, project, stored["spec"])
    given = replace(SAME, project_dir=project)
    assert plan_next(records, other, given).ask == "forever"


def session_with(records: ManagerClient, spec: RunSpec) -> dict[str, Any]:
    session_id = str(uuid4())
    first = {
        "session_id": session_id,
        "run": 1,
        "project_dir": str(spec.project_dir),
        "agent_name": None,
        "executor": spec.executor,
    }
    return new_session(records, spec.project_dir, sealed(spec, first), session_id)


def new_session(
    records: ManagerClient, project: Path, spec: dict[str, Any], session_id: str | None = None
) -> dict[str, Any]:
    session_id = session_id or str(uuid4())
    opened = records.create_named_session(
        session_id, session_id, project_dir=str(project), executor="claude", spec=spec
    )
    return opened.session

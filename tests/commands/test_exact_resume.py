"""A conversation continues on any machine that reaches the manager, in another home and path.

These tests use the real Claude Code and the stand-in model. Two "machines" are two homes and two
project paths that share a manager.
"""

from __future__ import annotations

import json
from pathlib import Path

import claude_agent_sdk
import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.conftest import let_tools_run
from tests.commands.shell import DONE, FAILED, Ended, Shell
from tests.support.model_server import ModelServer, script, tool
from tests.support.output import output_of

pytestmark = pytest.mark.xdist_group("claude-resume")

CLI = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
REVIEWER = """\
---
name: reviewer
description: Reviews.
---
You review what others wrote, in rhyme.
"""
LOOK = tool(
    "Agent",
    description="look",
    prompt=script({"text": "I am the subagent."}),
    subagent_type="general-purpose",
)


@pytest.fixture
def here(claude: Shell) -> Shell:
    """The machine on which the conversation begins."""
    return claude


@pytest.fixture
def elsewhere(here: Shell, tmp_path: Path) -> Shell:
    """Another machine: another path, and another home without files of Claude Code."""
    home, project = tmp_path / "other-home", tmp_path / "other-path"
    project.mkdir()
    home.mkdir()
    let_tools_run(home)
    return here.at(project).having(HOME=str(home))


def _home(shell: Shell) -> Path:
    return Path(shell.environment["HOME"])


def _projects(shell: Shell) -> Path:
    return _home(shell) / ".claude" / "projects"


def _begin(here: Shell, *steps: dict[str, object], agent: str | None = None) -> str:
    options = () if agent is None else ("--agent", agent)
    assert here.run("ao-new", "talk", *options, "-p", script(*steps)).exit_code == DONE
    session_id: str = here.run("ao-status", "talk", "--json").json["session_id"]
    return session_id


def _resume(shell: Shell, session_id: str, *arguments: str) -> Ended:
    return shell.run("ao-resume", session_id, "--project-dir", str(shell.directory), *arguments)


def _conversation(model: ModelServer) -> str:
    """Return the messages of the last request to the model."""
    return json.dumps(model.requests()[-1]["body"]["messages"])


def _subagent_lines(shell: Shell, session_id: str) -> dict[str, set[str]]:
    """Return the line ids of each subagent; lines without an id are not transferred."""
    return {
        path.name: {
            entry["uuid"]
            for entry in map(json.loads, path.read_text().splitlines())
            if "uuid" in entry
        }
        for path in _projects(shell).glob(f"*/{session_id}/subagents/*.jsonl")
    }


def test_conversation_continues_in_another_home_and_path(
    here: Shell, elsewhere: Shell, model: ModelServer
) -> None:
    """The agent, the tool calls and the subagent go along; plain `claude` can continue it too."""
    for shell in (here, elsewhere):
        agents = _home(shell) / ".claude" / "agents"
        agents.mkdir()
        (agents / "reviewer.md").write_text(REVIEWER)
    call = {"text": "I look.", **tool("Bash", command="echo the tools output")}
    session_id = _begin(here, LOOK, call, {"text": "The word is heron."}, agent="reviewer")
    before = _subagent_lines(here, session_id)
    assert [len(ids) > 1 for ids in before.values()] == [True]

    resumed = _resume(elsewhere, session_id, "-p", script({"text": "It was heron."}))
    assert resumed == Ended(DONE, "It was heron.\n", "")
    assert "The word is heron." in _conversation(model)
    assert "the tools output" in _conversation(model)
    assert "in rhyme" in json.dumps(model.requests()[-1]["body"]["system"])
    assert _subagent_lines(elsewhere, session_id) == before
    assert all(path.stat().st_mode & 0o077 == 0 for path in _projects(elsewhere).rglob("*.jsonl"))

    plain = output_of(
        [CLI, "--resume", session_id, "-p", script({"text": "Plainly."})],
        cwd=elsewhere.directory,
        env=elsewhere.environment,
    )
    assert plain.strip() == "Plainly."
    assert "The word is heron." in _conversation(model)
    assert "It was heron." in _conversation(model)

    # Resume on the first machine, which does not have the second half yet.
    resumed = here.run("ao-resume", "talk", "-p", script({"text": "Home again."}))
    assert resumed == Ended(DONE, "Home again.\n", "")
    assert "It was heron." in _conversation(model)


def test_imported_conversation_is_forked_and_continued_elsewhere(
    here: Shell, elsewhere: Shell, model: ModelServer, records: ManagerClient
) -> None:
    session_id = _begin(here, LOOK, {"text": "The word is heron."})
    refused = here.run("ao-resume", "talk", "--fork", "talk", "-p", "x")
    assert refused.exit_code == FAILED
    assert "there is a session 'talk'" in refused.stderr
    records.delete_session(session_id)
    assert here.run("ao-import", "--json").json["sessions"] == 1

    forked = _resume(
        elsewhere, session_id, "--fork", "other", "-p", script({"text": "Another way."})
    )
    assert forked == Ended(DONE, "Another way.\n", "")
    assert "The word is heron." in _conversation(model)
    other = elsewhere.run("ao-status", "other", "--json").json
    assert (other["run"], other["project_dir"]) == (1, str(elsewhere.directory))
    assert other["session_id"] != session_id
    assert here.run("ao-get-result", session_id).stdout == "The word is heron.\n"

    # Both sessions continue independently.
    resumed = _resume(elsewhere, session_id, "-p", script({"text": "It was heron."}))
    assert resumed == Ended(DONE, "It was heron.\n", "")
    assert "The word is heron." in _conversation(model)
    assert "Another way." not in _conversation(model)
    again = elsewhere.run("ao-import", "--json").json
    assert (again["sessions"], again["events"], again["requests"]) == (0, 0, 0)
    runs = [(run["imported"], run["reason"]) for run in records.list_runs(session_id)]
    assert runs == [(True, "completed"), (False, "completed")]
    assert elsewhere.run("ao-resume", "other", "-p", script({"text": "On."})).exit_code == DONE
    assert "Another way." in _conversation(model)
    assert "It was heron." not in _conversation(model)

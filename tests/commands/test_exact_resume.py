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
from tests.commands.shell import DONE, FAILED, USAGE, Ended, Shell
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


def _begin(here: Shell, *steps: dict[str, object]) -> str:
    assert here.run("ao-new", "talk", "-p", script(*steps)).exit_code == DONE
    session_id: str = here.run("ao-status", "talk", "--json").json["session_id"]
    return session_id


def _resume(shell: Shell, session_id: str, *arguments: str) -> Ended:
    return shell.run("ao-resume", session_id, "--project-dir", str(shell.directory), *arguments)


def _conversation(model: ModelServer) -> str:
    """Return the messages of the last request to the model."""
    return json.dumps(model.requests()[-1]["body"]["messages"])


def test_conversation_continues_in_another_home_and_path(
    here: Shell, elsewhere: Shell, model: ModelServer
) -> None:
    call = {"text": "I look.", **tool("Bash", command="echo the tools output")}
    session_id = _begin(here, call, {"text": "The word is heron."})
    model.forget()
    resumed = _resume(elsewhere, session_id, "-p", script({"text": "It was heron."}))
    assert resumed == Ended(DONE, "It was heron.\n", "")
    assert "The word is heron." in _conversation(model)
    assert "the tools output" in _conversation(model)
    # Resume on the first machine, which does not have the second half yet.
    model.forget()
    resumed = here.run("ao-resume", "talk", "-p", script({"text": "Home again."}))
    assert resumed == Ended(DONE, "Home again.\n", "")
    assert "It was heron." in _conversation(model)


def test_imported_conversation_continues_elsewhere(
    here: Shell, elsewhere: Shell, model: ModelServer, records: ManagerClient
) -> None:
    inner = script({"text": "I am the subagent."})
    call = tool("Agent", description="look", prompt=inner, subagent_type="general-purpose")
    session_id = _begin(here, call, {"text": "The word is heron."})
    records.delete_session(session_id)
    assert here.run("ao-import", "--json").json["sessions"] == 1
    model.forget()
    resumed = _resume(elsewhere, session_id, "-p", script({"text": "It was heron."}))
    assert resumed == Ended(DONE, "It was heron.\n", "")
    assert "The word is heron." in _conversation(model)
    again = elsewhere.run("ao-import", "--json").json
    assert (again["sessions"], again["events"], again["requests"]) == (0, 0, 0)
    runs = [(run["imported"], run["reason"]) for run in records.list_runs(session_id)]
    assert runs == [(True, "completed"), (False, "completed")]


def test_plain_claude_resumes_the_whole_conversation(
    here: Shell, elsewhere: Shell, model: ModelServer
) -> None:
    session_id = _begin(here, {"text": "The word is heron."})
    assert _resume(elsewhere, session_id, "-p", script({"text": "Heron it is."})).exit_code == DONE
    model.forget()
    plain = output_of(
        [CLI, "--resume", session_id, "-p", script({"text": "Plainly."})],
        cwd=elsewhere.directory,
        env=elsewhere.environment,
    )
    assert plain.strip() == "Plainly."
    assert "The word is heron." in _conversation(model)
    assert "Heron it is." in _conversation(model)


def test_subagent_transcripts_are_transferred_too(
    here: Shell, elsewhere: Shell, model: ModelServer
) -> None:
    inner = script({"text": "I am the subagent."})
    call = tool("Agent", description="look", prompt=inner, subagent_type="general-purpose")
    session_id = _begin(here, call, {"text": "It answered."})
    assert _resume(elsewhere, session_id, "-p", script({"text": "On."})).exit_code == DONE

    def transcripts(shell: Shell) -> dict[str, set[str]]:
        """Return the line ids of each subagent; lines without an id are not transferred."""
        projects = _home(shell) / ".claude" / "projects"
        return {
            path.name: {
                entry["uuid"]
                for entry in map(json.loads, path.read_text().splitlines())
                if "uuid" in entry
            }
            for path in projects.glob(f"*/{session_id}/subagents/*.jsonl")
        }

    assert [len(ids) > 1 for ids in transcripts(here).values()] == [True]
    assert transcripts(elsewhere) == transcripts(here)
    assert all(
        path.stat().st_mode & 0o077 == 0
        for path in (_home(elsewhere) / ".claude" / "projects").rglob("*.jsonl")
    )


def test_agents_in_the_home_of_the_resuming_machine_are_used(
    here: Shell, elsewhere: Shell, model: ModelServer
) -> None:
    for shell in (here, elsewhere):
        agents = _home(shell) / ".claude" / "agents"
        agents.mkdir()
        (agents / "reviewer.md").write_text(REVIEWER)
    started = here.run("ao-new", "talk", "--agent", "reviewer", "-p", script({"text": "Rhyme."}))
    assert started.exit_code == DONE
    session_id = here.run("ao-status", "talk", "--json").json["session_id"]
    model.forget()
    assert _resume(elsewhere, session_id, "-p", script({"text": "Again."})).exit_code == DONE
    assert "in rhyme" in json.dumps(model.requests()[-1]["body"]["system"])


def test_resume_of_a_missing_project_asks_for_its_directory(here: Shell, elsewhere: Shell) -> None:
    session_id = _begin(here, {"text": "Yes."})
    here.directory.rename(here.directory.with_name("moved"))
    asked = elsewhere.run("ao-resume", session_id, "-p", "x")
    assert (asked.exit_code, asked.stdout) == (USAGE, "")
    assert "--project-dir" in asked.stderr


def test_fork_copies_the_conversation_and_leaves_it_unchanged(
    here: Shell, elsewhere: Shell, model: ModelServer
) -> None:
    session_id = _begin(here, {"text": "The word is heron."})
    model.forget()
    forked = _resume(
        elsewhere, session_id, "--fork", "other", "-p", script({"text": "Another way."})
    )
    assert forked == Ended(DONE, "Another way.\n", "")
    assert "The word is heron." in _conversation(model)
    other = elsewhere.run("ao-status", "other", "--json").json
    assert (other["run"], other["project_dir"]) == (1, str(elsewhere.directory))
    assert other["session_id"] != session_id
    assert here.run("ao-get-result", "talk").stdout == "The word is heron.\n"
    # Both sessions continue independently.
    model.forget()
    assert here.run("ao-resume", "talk", "-p", script({"text": "On."})).exit_code == DONE
    assert "Another way." not in _conversation(model)
    model.forget()
    assert elsewhere.run("ao-resume", "other", "-p", script({"text": "On."})).exit_code == DONE
    assert "Another way." in _conversation(model)


def test_fork_needs_a_free_name(here: Shell) -> None:
    _begin(here, {"text": "Yes."})
    refused = here.run("ao-resume", "talk", "--fork", "talk", "-p", "x")
    assert refused.exit_code == FAILED
    assert "there is a session 'talk'" in refused.stderr

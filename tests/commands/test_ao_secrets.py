"""Masked credentials in prompts, programs and output; runs without transcripts; `--purge`."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

from claude_agent_sdk import project_key_for_directory

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.executors.base import RunSpec
from agent_orchestrator.machine.environment import outbox_dir
from agent_orchestrator.outbox.outbox import Outbox, Run
from agent_orchestrator.runs.registry import registry_dir
from agent_orchestrator.sessions.starts.plan import sealed
from tests.commands.shell import DONE, USAGE, Shell

TOKEN = "ghp_" + "aB3dE5" * 6
MASK = "[masked: github-token]"
COUNT = ("--executor", "command", "--", "wc", "-c")


def test_agent_gets_the_raw_prompt_and_the_record_is_masked(
    shell: Shell, records: ManagerClient, project: Path
) -> None:
    assert shell.run("ao-new", "x", "-p", TOKEN, *COUNT).stdout == f"{len(TOKEN)}\n"
    assert shell.run("ao-resume", "x", "-p", TOKEN).stdout == f"{len(TOKEN)}\n"
    (session,) = records.find_sessions(project_dir=str(project))
    prompts = [e for e in records.iterate_events(session["session_id"]) if e.get("role") == "user"]
    assert [e["content"] for e in prompts] == [[{"type": "text", "text": MASK}]] * 2
    listed = json.loads(shell.run("ao-list-sessions", "--here", "--json").stdout)
    assert [one["masked_secrets"] for one in listed] == [2]


def test_program_with_a_credential_must_be_given_again(
    shell: Shell, records: ManagerClient, project: Path
) -> None:
    program = ("--executor", "command", "--", "printf", TOKEN)
    assert shell.run("ao-new", "x", *program, stdin="").stdout == f"{MASK}\n"
    (session,) = records.find_sessions(project_dir=str(project))
    [run] = records.list_runs(session["session_id"])
    assert run["spec"]["command"] == ["printf", MASK]
    ended = shell.run("ao-resume", "x", stdin="")
    assert ended.exit_code == USAGE
    assert "give the program again" in ended.stderr
    assert shell.run("ao-resume", "x", "--", "echo", "fine", stdin="").stdout == "fine\n"


def test_resume_keeps_the_no_transcripts_option(
    shell: Shell, records: ManagerClient, project: Path
) -> None:
    assert shell.run("ao-new", "x", "-p", "a", "--no-transcripts", *COUNT).exit_code == DONE
    assert shell.run("ao-resume", "x", "-p", "b").exit_code == DONE
    (session,) = records.find_sessions(project_dir=str(project))
    runs = records.list_runs(session["session_id"])
    assert [run["spec"]["transcripts"] for run in runs] == [False, False]


def session_of_claude(
    records: ManagerClient, session_id: str, project: Path, *, executor: str = "claude"
) -> None:
    """Create a session whose first run this user started; its spec is sealed."""
    first = {"session_id": session_id, "run": 1, "project_dir": str(project), "agent_name": None}
    spec = sealed(RunSpec(executor=executor, project_dir=project), {**first, "executor": executor})
    records.create_named_session(
        session_id, session_id, project_dir=str(project), executor=executor, spec=spec
    )
    records.add_event(session_id, {"event_type": "session_stop"})


def files_below(*directories: Path) -> set[Path]:
    return {path for directory in directories for path in directory.rglob("*") if path.is_file()}


def test_purge_removes_and_lists_the_files_of_a_session(
    shell: Shell, records: ManagerClient, project: Path, own_home: Path
) -> None:
    session_id = str(uuid4())
    session_of_claude(records, session_id, project)
    box = outbox_dir(shell.state_dir) / f"{session_id}.1.db"
    with Outbox(box, Run(session_id=session_id, run=1, url="http://127.0.0.1:1")) as outbox:
        outbox.add({"event_type": "x", "event_id": "e"})
    entry = registry_dir(shell.state_dir) / f"{session_id}.1.json"
    entry.parent.mkdir(exist_ok=True)
    entry.write_text("{}")
    of_claude = own_home / ".claude" / "projects" / project_key_for_directory(project)
    mine = of_claude / f"{session_id}.jsonl"
    subagent = of_claude / session_id / "subagents" / "agent-1.jsonl"
    subagent.parent.mkdir(parents=True)
    lock = box.with_suffix(".lock")
    others = [
        box.with_name(f"{session_id}.2.lock"),
        entry.with_name(f"{session_id}.7.json"),
        of_claude / f"{uuid4()}.jsonl",
        of_claude.with_name("another-project") / f"{session_id}.jsonl",
        of_claude.with_name("a-third") / session_id / "subagents" / "agent-1.jsonl",
    ]
    for file in (mine, subagent, *others):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}\n")
    ended = shell.run("ao-clean", session_id, "--yes", "--json", "--purge")
    assert ended.exit_code == DONE
    local = [box, lock, entry, mine, subagent.parent.parent]
    assert ended.json == {"deleted": [session_id], "purged": [str(path) for path in local]}
    assert not any(path.exists() for path in local)
    assert all(path.exists() for path in others)
    for path in others[:2]:
        path.unlink()


def test_purge_keeps_files_of_ids_without_a_claude_run_here(
    shell: Shell, records: ManagerClient, project: Path, own_home: Path
) -> None:
    """The ids are names that Claude Code uses, native conversations, or of another executor."""
    key = project_key_for_directory(project)
    projects = own_home / ".claude" / "projects"
    native, unsealed, program = (str(uuid4()) for _ in range(3))
    names = ["memory", "todos", "sessions-index", "settings.json", "projects", key.strip("-")]
    for name in (*names, native, unsealed, program):
        for directory in (key, "another-project"):
            for file in (f"{name}.jsonl", f"{name}/{name}.md", f"{name}/{native}.jsonl"):
                (projects / directory / file).parent.mkdir(parents=True, exist_ok=True)
                (projects / directory / file).write_text("mine")
    before = files_below(own_home)
    for name in names:
        session_of_claude(records, name, project)
    for session_id in (native, unsealed):
        records.create_session(session_id, session_id, project_dir=str(project))
        records.add_event(session_id, {"event_type": "session_stop"})
    session_of_claude(records, program, project, executor="command")
    ended = shell.run("ao-clean", "--all", "--purge", "--yes", "--json")
    assert ended.exit_code == DONE
    assert len(ended.json["deleted"]) == len(names) + 3
    assert ended.json["purged"] == []
    assert files_below(own_home) == before


def test_purge_needs_a_terminal_or_yes(shell: Shell, records: ManagerClient) -> None:
    records.create_session("asked", "y", project_dir=str(shell.directory))
    records.add_event("asked", {"event_type": "session_stop"})
    assert shell.run("ao-clean", "y", "--purge").exit_code == USAGE
    assert records.get_status("asked") == "finished"

"""What becomes of credentials in prompts, programs and output; transcripts that nobody keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent_orchestrator.environment import outbox_dir
from agent_orchestrator.manager_client import ManagerClient
from agent_orchestrator.outbox import Outbox, Run
from agent_orchestrator.registry import registry_dir
from tests.commands.shell import DONE, USAGE, Shell

TOKEN = "ghp_" + "aB3dE5" * 6
MASK = "[masked: github-token]"
COUNT = ("--executor", "command", "--", "wc", "-c")


def test_an_agent_gets_its_prompt_raw_and_the_record_is_masked(
    shell: Shell, records: ManagerClient, project: Path
) -> None:
    assert shell.run("ao-new", "x", "-p", TOKEN, *COUNT).stdout == f"{len(TOKEN)}\n"
    assert shell.run("ao-resume", "x", "-p", TOKEN).stdout == f"{len(TOKEN)}\n"
    (session,) = records.find_sessions(project_dir=str(project))
    prompts = [e for e in records.iterate_events(session["session_id"]) if e.get("role") == "user"]
    assert [e["content"] for e in prompts] == [[{"type": "text", "text": MASK}]] * 2
    listed = json.loads(shell.run("ao-list-sessions", "--here", "--json").stdout)
    assert [one["masked_secrets"] for one in listed] == [2]


def test_a_program_with_a_credential_is_not_kept_with_it_and_must_be_given_again(
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


def test_a_run_without_transcripts_is_remembered_as_one(
    shell: Shell, records: ManagerClient, project: Path
) -> None:
    assert shell.run("ao-new", "x", "-p", "a", "--no-transcripts", *COUNT).exit_code == DONE
    assert shell.run("ao-resume", "x", "-p", "b").exit_code == DONE
    (session,) = records.find_sessions(project_dir=str(project))
    runs = records.list_runs(session["session_id"])
    assert [run["spec"]["transcripts"] for run in runs] == [False, False]


@pytest.mark.parametrize("flags", [(), ("--purge",)])
def test_a_purge_also_removes_what_lies_on_this_machine_and_says_what(
    shell: Shell, records: ManagerClient, project: Path, own_home: Path, flags: tuple[str, ...]
) -> None:
    session_id = f"purged.{len(flags)}"
    records.create_session(session_id, "x", project_dir=str(project))
    records.add_event(session_id, {"event_type": "session_stop"})
    box = outbox_dir(shell.state_dir) / f"{session_id}.1.db"
    with Outbox(box, Run(session_id=session_id, run=1, url="http://127.0.0.1:1")) as outbox:
        outbox.add({"event_type": "x", "event_id": "e"})
    entry = registry_dir(shell.state_dir) / f"{session_id}.1.json"
    entry.parent.mkdir(exist_ok=True)
    entry.write_text("{}")
    of_claude = own_home / ".claude" / "projects" / "p"
    mine, others = of_claude / f"{session_id}.jsonl", of_claude / "other.jsonl"
    subagent = of_claude / session_id / "subagents" / "agent-1.jsonl"
    subagent.parent.mkdir(parents=True)
    for file in (mine, others, subagent):
        file.write_text("{}\n")
    lock = box.with_suffix(".lock")
    local = [box, lock, entry, mine, subagent.parent.parent]
    ended = shell.run("ao-clean", "x", "--yes", "--json", *flags)
    assert ended.exit_code == DONE
    assert json.loads(ended.stdout)["deleted"] == [session_id]
    if flags:
        assert json.loads(ended.stdout)["purged"] == [str(path) for path in local]
    assert [path.exists() for path in local] == [not flags] * len(local)
    assert others.exists()
    for path in (box, lock, entry):
        path.unlink(missing_ok=True)


def test_a_purge_asks_where_somebody_can_be_asked(shell: Shell, records: ManagerClient) -> None:
    records.create_session("asked", "y", project_dir=str(shell.directory))
    records.add_event("asked", {"event_type": "session_stop"})
    assert shell.run("ao-clean", "y", "--purge").exit_code == USAGE
    assert records.get_status("asked") == "finished"

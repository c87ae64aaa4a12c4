"""`ao-import`: sessions from the files of agents, each once, however often it is repeated."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backports import zstd

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.transcripts.names import PROJECT_KEY
from tests.commands.shell import DONE, FAILED, USAGE, Ended, Shell
from tests.support.rows import each_row
from tests.support.transcript_files import PROJECT, Transcript

SAMPLES = Path(__file__).parents[1] / "history" / "samples"
SECRET = "ghp_" + "aB3dE5" * 6


def imported(shell: Shell, *arguments: str, exit_code: int = DONE) -> dict[str, Any]:
    ended = shell.run("ao-import", "--json", *arguments)
    assert ended.exit_code == exit_code, ended
    counts: dict[str, Any] = ended.json
    return counts


def counts_of(found: dict[str, Any], *names: str) -> list[int]:
    return [found[name] for name in names]


def events_of(records: ManagerClient, transcript: Transcript) -> list[dict[str, Any]]:
    return list(records.iterate_events(transcript.session_id))


NEW = ("sessions", "events", "requests", "unchanged")


def test_import_stores_a_session_once(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    first = numbers()
    first.turn()
    path = first.write(home)
    assert counts_of(imported(person, "--dry-run"), *NEW) == [1, 4, 2, 0]
    assert records.get_status(first.session_id) == "not_existent"
    assert counts_of(imported(person), *NEW) == [1, 4, 2, 0]
    session = records.get_session(first.session_id)
    expected = {
        "session_name": "Fix the login",
        "project_dir": PROJECT,
        "executor": "claude",
        "state": "finished",
        "created_at": "2026-03-01T10:00:00.000000Z",
        "source": {"format": "claude", "path": str(path), "gone": False},
    }
    assert {name: session[name] for name in expected} == expected
    assert session["usage"]["cost_nanodollars"] == 2 * 6_284_000
    assert records.get_result(first.session_id) == "Answer to: Fix the login"
    kinds = [event["event_type"] for event in events_of(records, first)]
    assert kinds == ["message", "pre_tool", "post_tool", "message"]
    assert counts_of(imported(person), *NEW) == [0, 0, 0, 1]


def test_grown_file_costs_only_its_new_lines(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    first = numbers()
    first.turn()
    path = first.write(home)
    assert imported(person)["bytes"] == path.stat().st_size
    before = path.stat().st_size
    first.turn("And the logout")
    with path.open("a") as file:
        file.write(first.text()[before:])
    found = imported(person)
    assert counts_of(found, *NEW) == [0, 4, 2, 0]
    assert found["bytes"] == path.stat().st_size - before
    assert len(events_of(records, first)) == 8


def test_rewritten_moved_and_deleted_files_add_nothing(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    first = numbers()
    first.turn()
    path = first.write(home)
    imported(person)
    path.write_text(first.text() + "\n\n")
    assert counts_of(imported(person), *NEW) == [0, 0, 0, 0]
    path.write_text("".join(first.text().splitlines(keepends=True)[:2]))
    assert counts_of(imported(person), *NEW) == [0, 0, 0, 0]
    path.unlink()
    moved = first.write(home, key="-elsewhere")
    assert counts_of(imported(person), *NEW, "gone") == [0, 0, 0, 0, 0]
    assert records.get_session(first.session_id)["source"]["path"] == str(moved)
    away = moved.rename(home / moved.name)
    assert counts_of(imported(person), *NEW, "gone") == [0, 0, 0, 0, 1]
    session = records.get_session(first.session_id)
    assert (session["source"]["gone"], session["state"]) == (True, "finished")
    assert len(events_of(records, first)) == 4
    assert counts_of(imported(person), "gone") == [0]
    away.rename(moved)
    assert counts_of(imported(person), *NEW, "gone") == [0, 0, 0, 1, 0]
    assert records.get_session(first.session_id)["source"]["gone"] is False


def test_line_without_an_end_waits_for_its_rest(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    first = numbers()
    first.turn()
    text = first.text()
    path = first.write(home)
    cuts = range(0, len(text), 97)
    for cut in cuts:
        path.write_text(text[:cut])
        found = person.run("ao-import", "--json")
        assert found.exit_code in (DONE, FAILED), found
        assert "line" not in found.stderr
    path.write_text(text)
    imported(person)
    whole = numbers()
    whole.lines = first.lines
    assert [event["event_id"] for event in events_of(records, first)] == [
        first.lines[0]["uuid"],
        *(f"toolu_{first.number}_1:{part}" for part in ("pre", "post")),
        f"{first.lines[3]['uuid']}:0",
    ]
    assert records.get_session(first.session_id)["usage"]["output_tokens"] == 84


def test_deleted_session_is_not_imported_again(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    first = numbers()
    first.turn()
    path = first.write(home)
    imported(person)
    records.delete_session(first.session_id)
    first.turn("And the logout")
    path.write_text(first.text())
    assert counts_of(imported(person), "deleted", "sessions", "events") == [1, 0, 0]
    first.turn("And again")
    path.write_text(first.text())
    assert counts_of(imported(person), "deleted", "unchanged", "events") == [0, 1, 0]
    assert records.get_status(first.session_id) == "not_existent"


def test_file_waits_while_a_run_of_its_session_is_open(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    first = numbers()
    first.turn()
    first.write(home)
    records.create_session(first.session_id, "running", project_dir="/p")
    assert counts_of(imported(person), "held", "events") == [1, 0]
    records.add_event(first.session_id, {"event_type": "session_stop", "exit_code": 0})
    assert counts_of(imported(person), "held", "events") == [0, 4]


def test_broken_records_are_named_and_stop_nothing(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    first, second = numbers(), numbers()
    first.turn()
    second.turn()
    path = first.write(home)
    second.write(home)
    lines = first.text().splitlines(keepends=True)
    path.write_text(f'{lines[0]}{{"type": \n7\n{{"type":"hologram"}}\n{"".join(lines[1:])}')
    found = imported(person)
    assert counts_of(found, "sessions", "events", "broken") == [2, 8, 2]
    assert found["unknown"] == [{"agent": "claude", "kind": "hologram", "count": 1}]
    assert [(each["path"], each["place"]) for each in found["problems"]] == [
        (str(path), "line 2"),
        (str(path), "line 3"),
    ]
    again = person.run("ao-import")
    assert (again.exit_code, again.stderr) == (DONE, "")


def test_file_that_is_not_understood_is_an_error(
    person: Shell, home: Path, numbers: Callable[[], Transcript]
) -> None:
    first, other = numbers(), numbers()
    first.turn()
    first.write(home)
    other.add("hologram")
    path = other.write(home)
    for _ in range(2):
        ended = person.run("ao-import")
        assert ended.exit_code == FAILED
        assert f"{path}: no record is understood" in ended.stderr
    assert "1 file not understood" in ended.stdout


def test_secrets_in_files_are_masked(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    first = numbers()
    first.prompt(f"{'x' * 70} {SECRET} and more")
    first.call("Bash", f"token {SECRET}")
    first.call("Bash", [[{"type": "text", "text": SECRET}]] * 40)
    first.write(home)
    imported(person)
    events = events_of(records, first)
    session = records.get_session(first.session_id)
    assert SECRET[:12] not in json.dumps([events, session])
    assert session["masked_secrets"] >= 42


def test_fork_repeats_events_and_no_request(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    first, fork = numbers(), numbers()
    first.turn()
    first.write(home)
    for line in first.lines:
        mark = {"requestSessionId": first.session_id} if line["type"] == "assistant" else {}
        fork.lines.append({**line, "sessionId": fork.session_id, **mark})
    fork.turn("Another way")
    fork.write(home)
    found = imported(person)
    assert counts_of(found, "sessions", "events", "copied", "requests") == [2, 12, 4, 4]
    session = records.get_session(fork.session_id)
    assert session["forked_from"]["session_id"] == first.session_id
    assert session["usage"]["output_tokens"] == 84
    marks = [event.get("inherited") for event in events_of(records, fork)]
    assert marks == [True] * 4 + [None] * 4


def test_subagent_is_below_its_call(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    first, agent = numbers(), numbers()
    first.prompt("Ask another agent")
    first.call("Agent", "It answered.")
    path = first.write(home)
    call = first.lines[1]["message"]["content"][0]["id"]
    agent.prompt("You are a subagent", isSidechain=True, agentId="a1")
    agent.answer({"type": "text", "text": "I am here."}, isSidechain=True, agentId="a1")
    folder = path.with_suffix("") / "subagents"
    folder.mkdir(parents=True)
    (folder / "agent-a1.jsonl").write_text(agent.text())
    (folder / "agent-a1.meta.json").write_text(json.dumps({"toolUseId": call}))
    assert counts_of(imported(person), "sessions", "events", "requests") == [1, 4, 2]
    inner = events_of(records, first)[-1]
    assert (inner["parent_tool_use_id"], inner["role"]) == (call, "assistant")
    key = {"session_id": first.session_id, "subpath": "subagents/agent-a1"}
    (lines,) = records.iterate_entries({"project_key": PROJECT_KEY, **key})
    assert lines[0] == {"toolUseId": call, "type": "agent_metadata"}


def test_deleted_session_stays_deleted_whatever_its_files_do(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    first, agent = numbers(), numbers()
    first.turn()
    path = first.write(home)
    imported(person)
    records.delete_session(first.session_id)
    agent.prompt("You are a subagent", isSidechain=True, agentId="a1")
    folder = path.with_suffix("") / "subagents"
    folder.mkdir(parents=True)
    (folder / "agent-a1.jsonl").write_text(agent.text())
    assert counts_of(imported(person), "sessions", "events") == [0, 0]
    path.unlink()
    first.turn("Once more")
    first.write(home)
    assert counts_of(imported(person), "sessions", "events", "deleted") == [0, 0, 1]
    assert records.get_status(first.session_id) == "not_existent"


def test_lines_before_the_first_event_wait_for_it(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    first = numbers()
    first.add("mode", uuid=None, mode="normal")
    first.write(home)
    assert counts_of(imported(person), "sessions", "unchanged") == [0, 0]
    assert counts_of(imported(person), "sessions", "unchanged") == [0, 1]
    first.turn()
    first.write(home)
    assert counts_of(imported(person), *NEW) == [1, 4, 2, 0]
    key = {"project_key": PROJECT_KEY, "session_id": first.session_id}
    (lines,) = records.iterate_entries(key)
    assert [line["type"] for line in lines] == [line["type"] for line in first.lines]


def test_imported_transcript_can_be_restored(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    first = numbers()
    first.turn()
    first.add("mode", uuid=None, mode="normal")
    first.write(home)
    imported(person)
    key = {"project_key": PROJECT_KEY, "session_id": first.session_id}
    kept = [entry for page in records.iterate_entries(key) for entry in page]
    assert kept == first.lines


def test_sources_are_chosen_by_agent_path_and_time(
    person: Shell, home: Path, tmp_path: Path, numbers: Callable[[], Transcript]
) -> None:
    first, second = numbers(), numbers()
    first.turn()
    second.turn()
    first.write(home)
    path = second.write(tmp_path / "backup")
    assert imported(person, "--agent", "claude", "--dry-run")["sources"] == 1
    for given in (path, path.parent, path.parents[1], path.parents[2], path.parents[3]):
        assert imported(person, str(given), "--dry-run")["sources"] == 1, given
    assert imported(person, "--since", "1d", "--dry-run")["sources"] == 1
    none = person.run("ao-import", "--since", "2999-01-01")
    said = "no sessions of a known agent were found on this machine\n"
    assert none == Ended(DONE, said, "")
    none = person.run("ao-import", str(tmp_path / "project"))
    assert none.exit_code == FAILED
    assert "were found in these paths" in none.stderr


@each_row(
    ("arguments", "said"),
    [
        (["--agent", "clod"], "no format is named 'clod'"),
        (["--since", "yesterday"], "'yesterday' is not a time"),
        (["/no/such/path"], "does not exist"),
    ],
)
def test_wrong_arguments_are_explained(person: Shell, arguments: list[str], said: str) -> None:
    ended = person.run("ao-import", *arguments)
    assert ended.exit_code == USAGE
    assert said in ended.stderr


def test_every_agent_is_found_in_its_own_place(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    first = numbers()
    first.turn()
    first.write(home)
    codex = home / ".codex" / "sessions" / "2026" / "03" / "01"
    codex.mkdir(parents=True)
    content = (SAMPLES / "codex" / "thread.jsonl").read_bytes()
    thread_id = json.loads(content.splitlines()[0])["payload"]["id"]
    name = f"rollout-2026-03-01T10-00-00-{thread_id}.jsonl.zst"
    (codex / name).write_bytes(zstd.compress(content))
    found = imported(person)
    assert counts_of(found, "sources", "sessions") == [2, 2]
    assert found["events"] > 4
    (codex / name.removesuffix(".zst")).write_bytes(content)
    assert counts_of(imported(person), "sessions", "events") == [0, 0]


def test_damaged_memory_is_replaced(
    person: Shell, home: Path, numbers: Callable[[], Transcript]
) -> None:
    first = numbers()
    first.turn()
    first.write(home)
    imported(person)
    (person.state_dir / "import.db").write_bytes(b"not a database" * 100)
    assert counts_of(imported(person), "sessions", "events", "unchanged") == [0, 0, 0]
    assert counts_of(imported(person), "unchanged") == [1]


def test_interrupted_import_continues(
    person: Shell, home: Path, records: ManagerClient, numbers: Callable[[], Transcript]
) -> None:
    made = []
    for _ in range(30):
        made.append(numbers())
        for place in range(20):
            made[-1].turn(f"turn {place}")
        made[-1].write(home)
    for how in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        running = person.start("ao-import")
        running.signal(how)
        running.wait_for_death()
    imported(person)
    for each in made:
        assert len(events_of(records, each)) == 80
        assert records.get_session(each.session_id)["usage"]["output_tokens"] == 40 * 42


def test_summary_is_for_people(
    person: Shell, home: Path, numbers: Callable[[], Transcript]
) -> None:
    first = numbers()
    first.turn()
    first.write(home)
    said = "1 new session, 4 events and 2 model requests imported from 1 file\n"
    ended = person.run("ao-import")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert ended.stdout.startswith(said)

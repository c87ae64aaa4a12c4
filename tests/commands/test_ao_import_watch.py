"""`ao-import --watch`: what agents write appears in the manager while they write it."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.shared.locks import holder_of
from tests.commands.shell import DONE, FAILED, USAGE, Ended, Running, Shell
from tests.support.codex_rollouts import SAMPLES, THREAD
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.transcript_files import Transcript
from tests.support.waiting import wait_for

NewTranscript = Callable[[], Transcript]


@pytest.fixture
def watch(person: Shell) -> Callable[..., Running]:
    """Return a function that starts a watcher and waits until it follows."""

    def start(*arguments: str, shell: Shell = person, stdin: bool = False) -> Running:
        running = shell.start("ao-import", "--watch", "--json", *arguments, stdin=stdin)
        lock = shell.state_dir / "import.lock"
        wait_for(lambda: holder_of(lock) == str(running.pid), "the watcher has its lock")
        return running

    return start


def ended(running: Running, how: int = signal.SIGTERM) -> tuple[Counter[str], Ended]:
    """End a watcher as a person does, and return the sum of its lines."""
    running.signal(how)
    end = running.end()
    assert end.exit_code == DONE
    return summed(end), end


def summed(end: Ended) -> Counter[str]:
    found: Counter[str] = Counter()
    for line in end.stdout.splitlines():
        found.update({k: v for k, v in json.loads(line).items() if isinstance(v, int)})
    return found


def has_events(records: ManagerClient, transcript: Transcript, count: int) -> None:
    def look() -> bool:
        if records.get_status(transcript.session_id) == "not_existent":
            return False
        return bool(records.get_session(transcript.session_id)["last_seq"] >= count)

    wait_for(look, f"{count} events of {transcript.session_id}")
    assert records.get_session(transcript.session_id)["last_seq"] == count


def field(records: ManagerClient, transcript: Transcript, name: str) -> Any:
    return records.get_session(transcript.session_id)[name]


def append(path: Path, transcript: Transcript) -> None:
    with path.open("a") as file:
        file.write(transcript.text()[path.stat().st_size :])


def test_new_grown_moved_and_deleted_files_are_followed(
    person: Shell,
    home: Path,
    records: ManagerClient,
    numbers: NewTranscript,
    watch: Callable[..., Running],
) -> None:
    first, second, agent = numbers(), numbers(), numbers()
    running = watch()
    first.turn()  # the agent's directories do not exist before its first session
    path = first.write(home)
    has_events(records, first, 4)
    first.turn("And the logout of herons")
    append(path, first)
    has_events(records, first, 8)
    search = ("ao-search", "herons", "--json")
    wait_for(lambda: bool(person.run(*search).json["hits"]), "it is found")
    agent.prompt("You are a subagent", isSidechain=True, agentId="a1")
    agent.answer({"type": "text", "text": "I am here."}, isSidechain=True, agentId="a1")
    folder = path.with_suffix("") / "subagents"
    folder.mkdir(parents=True)
    (folder / "agent-a1.jsonl").write_text(agent.text())
    has_events(records, first, 9)

    second.turn()
    other = second.write(home, key="-other")
    has_events(records, second, 4)
    again = person.run("ao-import", "--json").json
    assert (again["sessions"], again["events"]) == (0, 0)
    refused = person.run("ao-import", "--watch")
    assert refused.exit_code == FAILED
    assert f"another ao-import --watch (process {running.pid})" in refused.stderr

    sizes = sum(file.stat().st_size for file in home.rglob("*.jsonl"))
    moved = home / ".claude" / "projects" / "-moved"
    other.parent.rename(moved)
    wait_for(
        lambda: field(records, second, "source")["path"] == str(moved / other.name), "it has moved"
    )
    assert field(records, second, "source")["gone"] is False
    (moved / other.name).unlink()
    wait_for(lambda: field(records, second, "source")["gone"], "it is gone")
    assert field(records, second, "last_seq") == 4

    counts, _ = ended(running)
    expected = {"sessions": 2, "events": 13, "failed": 0, "broken": 0}
    assert {name: counts[name] for name in expected} == expected
    # Nothing was read twice, except the file at its new place.
    assert counts["bytes"] <= sizes + len(second.text())


def test_failing_sources_are_tried_again_and_stop_no_other(
    home: Path, records: ManagerClient, numbers: NewTranscript, watch: Callable[..., Running]
) -> None:
    first, other = numbers(), numbers()
    first.turn()
    other.add("hologram")
    bad = other.write(home)
    rollout = home / ".codex" / "sessions" / f"rollout-2026-03-01T10-00-00-{THREAD}.jsonl.zst"
    rollout.parent.mkdir(parents=True)
    whole = zstd.compress((SAMPLES / "thread.jsonl").read_bytes())
    rollout.write_bytes(whole[:-9])
    running = watch()
    first.write(home)
    has_events(records, first, 4)
    other.lines = []
    other.turn()
    bad.write_text(other.text())
    has_events(records, other, 4)
    rollout.write_bytes(whole)
    wait_for(lambda: records.get_status(THREAD) == "finished", "the rollout is imported")
    _, end = ended(running)
    for said in ("no record is understood", "Zstandard data is damaged"):
        assert end.stderr.count(said) == 1


def test_watcher_waits_for_its_manager(
    person: Shell,
    home: Path,
    own: RunningManager,
    own_records: ManagerClient,
    numbers: NewTranscript,
    watch: Callable[..., Running],
) -> None:
    shell = person.having(**{**own.environment(), "HOME": str(home)})
    first = numbers()
    first.turn()
    path = first.write(home)
    running = watch(shell=shell)
    has_events(own_records, first, 4)
    own.kill()
    first.turn("during an outage")
    append(path, first)
    own.restart()
    has_events(own_records, first, 8)
    counts, end = ended(running, signal.SIGINT)
    # The answer to the first import can be lost with the manager; its events are then not new.
    assert counts["events"] in (4, 8)
    assert end.stderr.count("waiting for it") <= 1


def test_watcher_outlives_problems_of_the_state_directory(
    person: Shell,
    home: Path,
    records: ManagerClient,
    numbers: NewTranscript,
    watch: Callable[..., Running],
) -> None:
    first = numbers()
    path = first.write(home)
    running = watch()
    note = person.state_dir / "notes" / "n"
    taken = note.with_name("n.taken")
    taken.mkdir(parents=True)  # in the way of the note
    note.write_text("")
    for events in (4, 8, 12):  # each import is followed by a look at the notes, which fails
        first.turn()
        append(path, first)
        has_events(records, first, events)
    taken.rmdir()
    wait_for(taken.is_file, "the note is taken")
    first.turn()
    append(path, first)
    has_events(records, first, 16)
    counts, end = ended(running)
    assert counts["events"] == 16
    assert f"{note}: Is a directory: trying again" in end.stderr


def test_watcher_ends_if_its_output_cannot_be_written(
    person: Shell, home: Path, records: ManagerClient, numbers: NewTranscript
) -> None:
    first = numbers()
    first.turn()
    first.write(home)
    with Path("/dev/full").open("wb") as full:
        ended = person.run_program(*person.command("ao-import", "--watch", "--json"), stdout=full)
    assert ended.returncode == FAILED
    assert b"the answer cannot be written: No space left on device" in ended.stderr


def test_recorded_run_comes_in_after_its_end(
    home: Path, records: ManagerClient, numbers: NewTranscript, watch: Callable[..., Running]
) -> None:
    first, other = numbers(), numbers()
    first.turn()
    other.turn()
    records.create_session(first.session_id, "running", project_dir="/p")
    running = watch()
    first.write(home)
    other.write(home)
    has_events(records, other, 4)
    assert field(records, first, "last_seq") == 0
    records.add_event(first.session_id, {"event_type": "session_stop", "exit_code": 0})
    has_events(records, first, 5)
    ended(running)


def test_polling_watcher_finds_changes_and_ends_with_stdin(
    home: Path, records: ManagerClient, numbers: NewTranscript, watch: Callable[..., Running]
) -> None:
    running = watch("--poll", "--until-eof", stdin=True)
    first = numbers()
    first.turn()
    path = first.write(home)
    has_events(records, first, 4)
    first.turn("more")
    append(path, first)
    has_events(records, first, 8)
    end = running.end()
    assert end.exit_code == DONE
    assert summed(end)["events"] == 8


@each_row(
    ("arguments", "said"),
    [
        (["--watch", "--dry-run"], "omit PATH and --dry-run"),
        (["--watch", "/"], "omit PATH and --dry-run"),
        (["--watch", "--since", "yesterday"], "'yesterday' is not a time"),
        (["--watch", "--agent", "clod"], "no format is named 'clod'"),
        (["--poll"], "need --watch"),
    ],
)
def test_wrong_arguments_of_a_watcher_are_explained(
    person: Shell, arguments: list[str], said: str
) -> None:
    refused = person.run("ao-import", *arguments)
    assert refused.exit_code == USAGE
    assert said in refused.stderr


def test_lines_and_summary_of_a_watcher_are_for_people(
    person: Shell, home: Path, records: ManagerClient, numbers: NewTranscript
) -> None:
    first = numbers()
    first.turn()
    first.write(home)
    running = person.start("ao-import", "--watch")
    has_events(records, first, 4)
    running.signal(signal.SIGINT)
    end = running.end()
    assert end.exit_code == DONE
    assert "ended; imported: 1 new session, 4 events, 2 model requests" in end.stdout

"""`ao-import` of sessions that are recorded already, or that a person has started by hand."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.shared.locks import holder_of
from tests.claude.conftest import bundled_cli
from tests.commands.command_names import COMMANDS
from tests.commands.shell import DONE, FAILED, Shell
from tests.support import predecessor_files
from tests.support.gate import Gate
from tests.support.model_server import script, tool
from tests.support.transcript_files import Transcript
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

# These tests run one after another: concurrent CLIs would only slow each other down.
pytestmark = pytest.mark.xdist_group("claude-commands")


def sessions_of(shell: Shell) -> dict[str, Any]:
    """Return the fields of each session that an import of the same events does not change."""
    names = ("state", "reason", "run", "last_seq", "usage", "session_name")
    found = shell.run("ao-list-sessions", "--here", "--json").json
    return {each["session_id"]: {name: each[name] for name in names} for each in found}


def test_import_of_a_recorded_session_adds_nothing(claude: Shell, records: ManagerClient) -> None:
    inner = script({"text": "I look.", **tool("Bash", command="echo inside")}, {"text": "found"})
    call = tool("Agent", description="look", prompt=inner, subagent_type="general-purpose")
    steps = [call, tool("Bash", command="echo oops >&2; exit 3"), {"text": "The word is heron."}]
    assert claude.run("ao-new", "fix", "-p", script(*steps)).exit_code == DONE
    forked = claude.run("ao-resume", "fix", "--fork", "fork", "-p", script({"text": "Forked."}))
    assert forked.exit_code == DONE
    before = sessions_of(claude)
    events = {name: list(records.iterate_events(name)) for name in before}

    counts = claude.run("ao-import", "--json").json

    assert (counts["sources"], counts["sessions"], counts["events"]) == (3, 0, 0)
    assert counts["requests"] == counts["broken"] == counts["refused"] == 0
    assert counts["unknown"] == []
    assert sessions_of(claude) == before
    assert {name: list(records.iterate_events(name)) for name in before} == events


@contextmanager
def by_hand(claude: Shell, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start Claude Code as a person does, without a command of ours."""
    running = subprocess.Popen(
        [bundled_cli(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=claude.directory,
        env=claude.environment,
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def session_here(claude: Shell, records: ManagerClient) -> dict[str, Any] | None:
    return next(iter(records.find_sessions(project_dir=str(claude.directory))), None)


def known(records: ManagerClient, session_id: str) -> dict[str, Any]:
    """Return the events by their id, without the order and the time of their arrival."""
    arrival = ("seq", "recorded_at")
    return {
        event["event_id"]: {name: value for name, value in event.items() if name not in arrival}
        for event in records.iterate_events(session_id)
    }


def test_session_by_hand_appears_while_it_runs(
    claude: Shell, records: ManagerClient, gate: Gate
) -> None:
    watcher = claude.start("ao-import", "--watch", "--json")
    inner = script({"text": "I look.", **tool("Bash", command="echo inside")}, {"text": "found"})
    call = tool("Agent", description="look", prompt=inner, subagent_type="general-purpose")
    steps = [
        call,
        tool("Bash", command="printf %s%s kest rel"),
        tool("Bash", command=f"read word < {gate.path}"),
        {"text": "Over."},
        {"text": "Over."},  # if Claude Code moves a call that takes long to the background
    ]
    with by_hand(claude, "-p", script(*steps)) as running:

        def said() -> bool:
            session = session_here(claude, records)
            return session is not None and "kestrel" in str(known(records, session["session_id"]))

        wait_for(said, "its output is imported")
        search = ("ao-search", "kestrel", "--json")
        wait_for(lambda: bool(claude.run(*search).json["hits"]), "it is found")
        assert running.poll() is None
        session = session_here(claude, records)
        assert session is not None and session["state"] == "running"
        assert session["lease"]["holder"] == f"claude, pid {running.pid}"
        gate.open()
        output, _ = running.communicate(timeout=WATCHDOG_SECONDS)
    assert (running.returncode, output) == (0, b"Over.\n")

    def ended() -> dict[str, Any] | None:
        session = session_here(claude, records)
        return session if session and session["state"] == "finished" else None

    session_id = wait_for(ended, "its end is imported")["session_id"]
    assert records.get_result(session_id) == "Over."
    watcher.signal(signal.SIGTERM)
    assert watcher.end().exit_code == DONE
    live = known(records, session_id)
    assert {event["event_type"] for event in live.values()} >= {"message", "pre_tool", "post_tool"}

    records.delete_session(session_id)
    (claude.state_dir / "import.db").unlink()
    assert claude.run("ao-import").exit_code == DONE
    assert known(records, session_id) == live


@pytest.mark.usefixtures("no_noted_import")
def test_plugin_records_a_session_by_hand(claude: Shell, records: ManagerClient) -> None:
    plugin = str(COMMANDS.parents[2])
    steps = [tool("Bash", command="echo hooked"), {"text": "The word is bittern."}]
    with by_hand(claude, "--plugin-dir", plugin, "-p", script(*steps)) as running:
        output, _ = running.communicate(timeout=WATCHDOG_SECONDS)
    assert (running.returncode, output) == (0, b"The word is bittern.\n")

    def result() -> str | None:
        session = session_here(claude, records)
        if session is None or session["state"] != "finished":
            return None
        return records.get_result(session["session_id"])

    wait_for(lambda: result() == "The word is bittern.", "the hooks have it imported")
    assert holder_of(claude.state_dir / "notes.lock") is not None


@pytest.mark.parametrize("is_copy_first", [False, True])
def test_copy_of_the_earlier_system_gives_only_its_name(
    shell: Shell, own_home: Path, tmp_path: Path, records: ManagerClient, is_copy_first: bool
) -> None:
    def imported(*arguments: str) -> list[int]:
        counts = shell.run("ao-import", "--json", *arguments).json
        return [counts[name] for name in ("sources", "sessions", "events", "requests")]

    first = Transcript(710 + is_copy_first)
    first.turn()
    folder = tmp_path / "project" / ".agent-orchestrator" / "agent-sessions"
    folder.mkdir(parents=True)
    meta = {**predecessor_files.META, "session_id": first.session_id}
    predecessor_files.write(folder, predecessor_files.RUN, meta)
    if is_copy_first:
        assert imported() == [1, 1, 6, 1]
        assert records.get_session(first.session_id)["executor"] == "predecessor"
    first.write(own_home)
    assert imported("--dry-run") == [2, 1, 4, 2]
    assert imported() == [2, 1, 4, 2]
    session = records.get_session(first.session_id)
    assert (session["session_name"], session["executor"]) == ("architect", "claude")
    assert session["source"]["format"] == "claude"
    assert session["usage"]["output_tokens"] == 84
    assert len(list(records.iterate_events(first.session_id))) == 4
    assert imported() == [2, 0, 0, 0]
    for path in folder.iterdir():
        path.unlink()
    imported()
    assert records.get_session(first.session_id)["source"]["gone"] is False


def test_copy_that_a_person_has_changed_is_kept(
    shell: Shell, records: ManagerClient, own_home: Path, tmp_path: Path
) -> None:
    first = Transcript(712)
    first.turn()
    folder = tmp_path / "project" / ".agent-orchestrator" / "agent-sessions"
    folder.mkdir(parents=True)
    meta = {**predecessor_files.META, "session_id": first.session_id}
    predecessor_files.write(folder, predecessor_files.RUN, meta)
    assert shell.run("ao-import", str(folder)).exit_code == DONE
    assert shell.run("ao-rename", first.session_id, "mine").exit_code == DONE
    path = first.write(own_home)
    refused = shell.run("ao-import", str(path))
    assert (refused.exit_code, "delete it to import this file" in refused.stderr) == (FAILED, True)
    session = records.get_session(first.session_id)
    assert (session["session_name"], session["executor"]) == ("mine", "predecessor")
    records.delete_session(first.session_id)
    for _ in range(2):  # its own file, and then the name from the copy
        assert shell.run("ao-import", str(path), str(folder)).exit_code == DONE
    session = records.get_session(first.session_id)
    assert (session["session_name"], session["executor"]) == ("architect", "claude")
    assert len(list(records.iterate_events(first.session_id))) == 4

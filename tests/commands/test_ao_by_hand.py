"""A session in which a person works: it is running, and commands leave its agent alone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.machine.environment import host
from agent_orchestrator.shared.locks import holder_of
from agent_shared.manager_settings import DEFAULT_LEASE_SECONDS
from tests.commands.shell import DONE, FAILED, NOT_FINISHED, Shell
from tests.support.claude_registry import register
from tests.support.manager import RunningManager
from tests.support.transcript_files import Transcript
from tests.support.waiting import wait_for


@pytest.fixture
def processes() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Return a function that starts a process in the place of Claude Code."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", "600"]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_turn_of_a_person_is_running_while_its_process_works(
    person: Shell,
    home: Path,
    timed_manager: RunningManager,
    monkeypatch: pytest.MonkeyPatch,
    numbers: Callable[[], Transcript],
    processes: Callable[[], subprocess.Popen[bytes]],
) -> None:
    shell = person.having(**{**timed_manager.environment(), "HOME": str(home)})
    transcript, first = numbers(), processes()
    session_id = transcript.session_id
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(timed_manager.state_dir))
    with ManagerClient(timed_manager.url) as records:

        def state_is(state: str) -> dict[str, Any]:
            def look() -> dict[str, Any] | None:
                if records.get_status(session_id) == "not_existent":
                    return None
                session = records.get_session(session_id)
                return session if session["state"] == state else None

            return wait_for(look, f"the session is {state}")

        watcher = shell.start("ao-import", "--watch")
        lock = shell.state_dir / "import.lock"
        wait_for(lambda: holder_of(lock) == str(watcher.pid), "the watcher has its lock")
        register(home, session_id, pid=first.pid)
        transcript.prompt("Fix the login")
        transcript.write(home)
        session = state_is("running")
        assert session["lease"]["holder"] == f"claude, pid {first.pid}"
        assert shell.run("ao-import").exit_code == DONE  # it follows nothing, and changes nothing

        works = f"a person works in session 'Fix the login' on {host()} (claude, pid {first.pid}): "
        for arguments, said in (
            (["ao-resume", session_id, "-p", "x", "--project-dir", "."], "end it there, continue"),
            (["ao-send", session_id, "-p", "x"], "give them the message there"),
            (["ao-stop", session_id], "end its turn there"),
            (["ao-clean", session_id], "left alone"),
            (["ao-clean", "--force", session_id], "end it there first"),
        ):
            refused = shell.run(*arguments)
            assert refused.exit_code == FAILED, (arguments, refused.stderr)
            assert works + said in refused.stderr
        assert shell.run("ao-wait", session_id, "--timeout", "0").exit_code == NOT_FINISHED
        assert shell.run("ao-status", session_id).stdout == "running\n"

        first.kill()
        first.wait()
        timed_manager.time.let_pass(DEFAULT_LEASE_SECONDS + 1)
        state_is("lost")
        second = processes()
        register(home, session_id, pid=second.pid)
        transcript.call("Bash", "done")
        transcript.write(home)
        assert state_is("running")["lease"]["holder"] == f"claude, pid {second.pid}"
        register(home, session_id, pid=second.pid, status="idle")
        transcript.answer({"type": "text", "text": "Done."})
        transcript.write(home)
        assert (state_is("finished")["run"], records.get_result(session_id)) == (1, "Done.")

        refused = shell.run("ao-resume", session_id, "-p", "x", "--project-dir", ".")
        assert (refused.exit_code, records.get_session(session_id)["run"]) == (FAILED, 1)
        assert f"by hand on this machine (claude, pid {second.pid}): end it there" in refused.stderr
        register(home, session_id, pid=second.pid)
        transcript.prompt("More")
        transcript.write(home)
        state_is("running")
        taken = shell.run(
            *("ao-resume", session_id, "-p", "one two", "--project-dir", ".", "--takeover"),
            *("--", "wc", "-w"),
        )
        assert (taken.exit_code, taken.stdout) == (DONE, "2\n")
        assert second.poll() is None
        reasons = [run["reason"] for run in records.list_runs(session_id)]
        assert reasons == ["lost", "completed"]
        watcher.signal(2)
        assert watcher.end().exit_code == DONE

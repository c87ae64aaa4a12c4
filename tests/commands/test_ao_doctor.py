"""`ao-doctor`: each thing that can be wrong is found, with what to do, and nothing is started."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator import __version__
from agent_orchestrator.machine.environment import outbox_dir
from agent_orchestrator.outbox.files import list_outboxes
from agent_orchestrator.outbox.outbox import Outbox, Run
from tests.commands.shell import (
    DONE,
    FAILED,
    Ended,
    Gate,
    Shell,
    is_alive,
    kill_supervisor,
    start_detached,
)
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.recording import json_reply, recording, refused_url

Finding = dict[str, Any]


@pytest.fixture
def own_manager(start_manager: Any) -> RunningManager:
    """A manager of this test's own, and so a state directory of its own."""
    manager: RunningManager = start_manager(moves_time=True)
    return manager


@pytest.fixture
def well(shell: Shell, own_manager: RunningManager) -> Shell:
    """A shell in which nothing is wrong."""
    return shell.having(**own_manager.environment(), ANTHROPIC_API_KEY="sk-of-the-person")


def wrong(ended: Ended) -> list[Finding]:
    """What was found to be wrong; the rest is as it should be."""
    found: list[Finding] = ended.json
    bad = [finding for finding in found if finding["advice"] and finding["matters"]]
    assert ended.exit_code == (FAILED if bad else DONE), ended
    return bad


def only_wrong(shell: Shell, *options: str) -> Finding:
    (found,) = wrong(shell.run("ao-doctor", "--json", *options))
    return found


def test_where_all_is_well_every_check_says_so(well: Shell, own_manager: RunningManager) -> None:
    state = own_manager.state_dir
    assert well.run("ao-doctor") == Ended(
        DONE,
        f"ok  manager: {own_manager.url}, version {__version__}, commands {__version__}\n"
        f"ok  database: sqlite:///{state}/sessions.db, readable, no sessions yet\n"
        f"ok  state directory: {state}, mode 700\n"
        "ok  executor claude: the agent SDK is installed\n"
        "ok  credentials: ANTHROPIC_API_KEY\n"
        "ok  supervisors: 0 runs are supervised on this machine\n"
        "ok  sessions: 0 running\n",
        "",
    )
    assert wrong(well.run("ao-doctor", "--json")) == []


def test_what_runs_is_counted_and_no_finding(well: Shell, gate: Gate, started: Path) -> None:
    start_detached(well, "x", started, gate)
    ended = well.run("ao-doctor")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert "ok  supervisors: 1 runs are supervised on this machine\n" in ended.stdout
    assert "ok  sessions: 1 running\n" in ended.stdout


def test_a_manager_that_is_down_is_found_and_not_started(well: Shell, own_home: Path) -> None:
    with refused_url() as url:
        found = only_wrong(well.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=url))
    assert found["about"] == "manager"
    assert url in str(found["text"])
    assert str(found["advice"]).startswith("start it: agent-session-manager serve")
    assert list(own_home.glob("**/manager-*")) == []


def test_a_manager_of_another_version_is_found(well: Shell) -> None:
    answer = json_reply({"version": "0.0.9", "sessions": []})
    with recording(answer) as server:
        found = only_wrong(well.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=server.url))
    assert found == {
        "about": "manager",
        "text": f"{server.url}, version 0.0.9, commands {__version__}",
        "advice": "agent-session-manager stop, and start it anew",
        "matters": True,
    }


def test_a_state_directory_that_others_can_enter_is_found(
    well: Shell, own_manager: RunningManager
) -> None:
    state = own_manager.state_dir
    state.chmod(0o755)
    assert only_wrong(well) == {
        "about": "state directory",
        "text": f"{state}, mode 755",
        "advice": f"chmod 700 {state}",
        "matters": True,
    }
    subprocess.run(["chmod", "700", str(state)], check=True)
    assert wrong(well.run("ao-doctor", "--json")) == []


def test_events_that_were_not_delivered_are_found(well: Shell) -> None:
    path = outbox_dir(well.state_dir) / "gone.1.db"
    with Outbox(path, Run(session_id="gone", run=1, url="http://127.0.0.1:1")) as outbox:
        outbox.add({"event_type": "x", "event_id": "1"})
        outbox.add({"event_type": "x", "event_id": "2"})
    assert only_wrong(well) == {
        "about": "outbox",
        "text": f"2 events in {path}",
        "advice": "any command delivers them while the manager can be reached",
        "matters": True,
    }
    assert list_outboxes(path.parent) == [path]


def test_events_that_the_manager_refused_for_good_are_found(
    well: Shell, own_manager: RunningManager
) -> None:
    path = outbox_dir(well.state_dir) / "gone.1.db"
    with Outbox(path, Run(session_id="gone", run=1, url=own_manager.url)) as outbox:
        outbox.add({"event_type": "diagnostic", "event_id": "1"})
    assert well.run("ao-list-sessions") == Ended(DONE, "", "")
    found = only_wrong(well)
    assert found["about"] == "outbox"
    assert str(found["text"]).startswith("1 refused for good: diagnostic: ")
    assert "404 no session 'gone'" in str(found["text"])
    assert found["advice"] == (
        f"ao-doctor --fix sends it once more; to give it up: rm {path} {path.with_suffix('.lock')}"
    )
    with Outbox(path):
        held = only_wrong(well)
    assert held["text"] == f"1 refused for good in {path}, while its run goes on"
    with Api(own_manager) as api:  # what was wrong is put right, and nothing is lost
        assert api.post("/sessions", {"session_id": "gone", "session_name": "gone"}).status == 201
    fixed = well.run("ao-doctor", "--fix")
    assert fixed.stderr == "ao-doctor: 1 events or lines of transcripts are sent once more\n"
    assert list_outboxes(path.parent) == []


def test_events_that_a_supervisor_is_delivering_are_counted_and_nothing_is_wrong(
    well: Shell,
) -> None:
    path = outbox_dir(well.state_dir) / "gone.1.db"
    with Outbox(path, Run(session_id="gone", run=1, url="http://127.0.0.1:1")) as outbox:
        outbox.add({"event_type": "x", "event_id": "1"})
        ended = well.run("ao-doctor")
        assert ended.exit_code == DONE
        line = f"ok  outbox: 1 events in {path}, which its supervisor is delivering\n"
        assert line in ended.stdout
        outbox.remove(outbox.next_batch())


def test_an_outbox_that_cannot_be_read_is_found(well: Shell) -> None:
    path = outbox_dir(well.state_dir) / "gone.1.db"
    path.parent.mkdir(mode=0o700)
    path.write_text("no database" * 100)
    path.with_suffix(".lock").touch(0o600)
    found = only_wrong(well)
    assert (found["about"], found["advice"]) == ("outbox", f"look at {path}, or remove it")


def test_what_a_dead_supervisor_left_is_found_and_cleared_by_fix(
    well: Shell, own_manager: RunningManager, gate: Gate, started: Path
) -> None:
    session_id, pid = start_detached(well, "x", started, gate)
    kill_supervisor(well.state_dir, session_id)
    well.run("ao-list-sessions")  # delivers what it had in its outbox
    assert only_wrong(well) == {
        "about": "supervisor",
        "text": "that of 'x' died, 1 processes are left",
        "advice": "ao-doctor --fix, or ao-stop the session",
        "matters": True,
    }
    assert is_alive(pid)
    mended = well.run("ao-doctor", "--fix", "--json")
    assert wrong(mended) == []
    assert mended.stderr == "ao-doctor: 'x': 1 processes stopped\n"
    assert not is_alive(pid)
    assert well.run("ao-doctor", "--fix").stderr == ""
    own_manager.time.let_pass(60)
    assert well.run("ao-wait", "x") == Ended(FAILED, "x lost\n", "")


def test_a_fix_leaves_what_is_supervised(well: Shell, gate: Gate, started: Path) -> None:
    _, pid = start_detached(well, "x", started, gate)
    assert well.run("ao-doctor", "--fix").exit_code == DONE
    assert is_alive(pid)
    assert well.run("ao-status", "x").stdout == "running\n"


def test_of_credentials_only_whether_there_are_any_is_said(well: Shell, own_home: Path) -> None:
    def about_credentials(shell: Shell) -> Finding:
        ended = shell.run("ao-doctor", "--json")
        (found,) = (finding for finding in ended.json if finding["about"] == "credentials")
        printed = ended.stdout + ended.stderr + shell.run("ao-doctor").stdout
        assert "of-the-person" not in printed
        return dict(found)

    without = well.having(ANTHROPIC_API_KEY=None, HOME=str(own_home))
    assert about_credentials(without) == {
        "about": "credentials",
        "text": "none that we know of",
        "advice": "run `claude` and /login there, or set ANTHROPIC_API_KEY",
        "matters": False,
    }
    ended = without.run("ao-doctor")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert (
        "?   credentials: none that we know of\n"
        "    do: run `claude` and /login there, or set ANTHROPIC_API_KEY\n"
    ) in ended.stdout
    login = own_home / ".claude" / ".credentials.json"
    login.parent.mkdir()
    login.write_text(json.dumps({"accessToken": "secret-of-the-person"}))
    assert about_credentials(without)["text"] == "login of claude"
    both = without.having(ANTHROPIC_API_KEY="sk-of-the-person")
    assert about_credentials(both)["text"] == "ANTHROPIC_API_KEY, login of claude"


def test_a_token_of_the_manager_is_never_shown(well: Shell, own_manager: RunningManager) -> None:
    for options in ([], ["--json"], ["--fix"]):
        ended = well.run("ao-doctor", *options)
        assert own_manager.token not in ended.stdout + ended.stderr

"""`ao-doctor`: it finds each kind of problem, advises a remedy, and starts nothing."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator import __version__
from agent_orchestrator.acp.presets.table import PRESETS
from agent_orchestrator.codex.installation import HOW_TO_LOG_IN, find_codex
from agent_orchestrator.machine.environment import outbox_dir
from agent_orchestrator.outbox.files import list_outboxes
from agent_orchestrator.outbox.outbox import Outbox, Run
from agent_session_manager.alerts.target import Target
from agent_session_manager.alerts.targets_file import TargetsFile
from agent_session_manager.domain.sessions.alert import AlertKind, Interest
from tests.commands.detached_session import start_detached
from tests.commands.processes import is_alive, kill_supervisor
from tests.commands.shell import DONE, FAILED, Ended, Shell
from tests.support.api import Api
from tests.support.gate import Gate
from tests.support.manager import RunningManager
from tests.support.recording import json_reply, recording, refused_url

Finding = dict[str, Any]


@pytest.fixture
def well(shell: Shell, timed_manager: RunningManager) -> Shell:
    """A shell in which `ao-doctor` finds no problem."""
    environment = {**timed_manager.environment(), "PATH": "/usr/bin:/bin"}  # without any agent
    return shell.having(**environment, ANTHROPIC_API_KEY="sk-of-the-person")


def wrong(ended: Ended) -> list[Finding]:
    """Return the problems that `ao-doctor` found, and check its exit code."""
    found: list[Finding] = ended.json
    bad = [finding for finding in found if finding["advice"] and finding["matters"]]
    assert ended.exit_code == (FAILED if bad else DONE), ended
    return bad


def only_wrong(shell: Shell, *options: str) -> Finding:
    found = wrong(shell.run("ao-doctor", "--json", *options))
    assert len(found) == 1, found
    return found[0]


def test_healthy_system_is_ok_also_without_a_login_of_codex(
    well: Shell, timed_manager: RunningManager, own_home: Path, tmp_path: Path
) -> None:
    state = timed_manager.state_dir
    (own_home / "auth.json").touch()
    for preset in PRESETS.values():
        write_program(tmp_path / preset.command[0])
    keys = {preset.logins[0]: "k" for preset in PRESETS.values() if preset.name != "opencode"}
    credentials = Path(well.environment["HOME"]) / ".local" / "share" / "opencode" / "auth.json"
    credentials.parent.mkdir(parents=True)
    credentials.touch()
    path = f"{tmp_path}:/usr/bin:/bin"
    well = well.having(**keys, CODEX_HOME=str(own_home), PATH=path)
    program = find_codex({"PATH": path})
    version = importlib.metadata.version("openai-codex-cli-bin")
    sdk = importlib.metadata.version("claude-agent-sdk")
    presets = "".join(
        f"ok  executor {name}: {preset.agent} 1.2.3, {tmp_path / preset.command[0]}, with a login\n"
        for name, preset in PRESETS.items()
    )
    assert well.run("ao-doctor") == Ended(
        DONE,
        f"ok  manager: {timed_manager.url}, version {__version__}, commands {__version__}\n"
        f"ok  database: sqlite:///{state}/sessions.db, readable, no sessions yet\n"
        f"ok  state directory: {state}, mode 700\n"
        f"ok  executor claude: the agent SDK {sdk} is installed\n"
        f"ok  executor codex: codex-cli {version}, {program}, with a login\n"
        "ok  executor command: runs a program that you name\n"
        "ok  executor acp: runs an agent of the Agent Client Protocol that you name\n"
        f"{presets}"
        "ok  credentials: ANTHROPIC_API_KEY\n"
        "ok  supervisors: 0 runs supervised on this machine\n"
        "ok  sessions: 0 running\n",
        "",
    )
    assert wrong(well.run("ao-doctor", "--json")) == []
    ended = well.having(CODEX_HOME=None).run("ao-doctor", "--json")
    (found,) = (each for each in ended.json if each["about"] == "executor codex")
    assert (found["advice"], found["matters"]) == (HOW_TO_LOG_IN, False)
    assert found["text"].endswith("without a login")
    assert wrong(ended) == []


def test_each_preset_is_listed_with_what_it_lacks(well: Shell, tmp_path: Path) -> None:
    """Missing agents are no problem; a file of presets that cannot be used is one."""
    package = tmp_path / "node_modules" / "kimi"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"version": "9.8.7"}')
    write_program(package / "main.mjs", "exit 1")
    (tmp_path / "kimi").symlink_to(package / "main.mjs")
    write_program(tmp_path / "gemini", "exit 1")
    added = Path(well.environment["HOME"]) / ".config" / "agent-orchestrator" / "acp.toml"
    added.parent.mkdir(parents=True, mode=0o700)
    added.write_text('[goose]\ncommand = ["no-goose", "acp"]\nhow_to_install = "run it"\n')
    ended = well.having(PATH=f"{tmp_path}:/usr/bin:/bin").run("ao-doctor", "--json")
    assert wrong(ended) == []
    about = {each["about"].removeprefix("executor "): each for each in ended.json}
    kimi, gemini, goose = about["kimi"], about["gemini"], about["goose"]
    assert kimi["text"] == f"Kimi Code 9.8.7, {tmp_path / 'kimi'}, no login found"
    assert kimi["advice"] == PRESETS["kimi"].how_to_log_in
    assert gemini["text"].startswith("Gemini CLI of an unknown version (Command ")
    assert goose == {
        "about": "executor goose",
        "text": "goose: `no-goose` is not installed",
        "advice": "run it",
        "matters": False,
    }
    assert about["copilot"]["advice"] == PRESETS["copilot"].how_to_install
    added.write_text("[goose]\n")
    found = only_wrong(well)
    assert (found["about"], "needs a command" in found["text"]) == ("executors", True)


def write_program(path: Path, line: str = "echo 1.2.3") -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def test_supervised_runs_are_ok_and_left_alone(
    well: Shell, timed_manager: RunningManager, gate: Gate, started: Path
) -> None:
    _, pid = start_detached(well, "x", started, gate)
    for options in ([], ["--json"], ["--fix"]):
        ended = well.run("ao-doctor", *options)
        assert (ended.exit_code, ended.stderr) == (DONE, "")
        assert timed_manager.token not in ended.stdout
    assert "ok  supervisors: 1 run supervised on this machine\n" in ended.stdout
    assert "ok  sessions: 1 running\n" in ended.stdout
    assert is_alive(pid)
    assert well.run("ao-status", "x").stdout == "running\n"


def test_stopped_manager_and_one_of_another_version_are_found(well: Shell, own_home: Path) -> None:
    with refused_url() as url:
        found = only_wrong(well.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=url))
        first = well.having(
            AGENT_ORCHESTRATOR_SESSION_MANAGER_URL="",
            AGENT_ORCHESTRATOR_STATE_DIR=str(own_home / "new"),
            AGENT_ORCHESTRATOR_PORT=url.rpartition(":")[2],
        ).run("ao-doctor", "--json")
    assert found["about"] == "manager"
    assert url in str(found["text"])
    assert str(found["advice"]).startswith("start it: agent-session-manager serve")
    (none,) = [finding for finding in first.json if finding["about"] == "manager"]
    assert (none["text"], none["matters"]) == (f"none serves at {url}", False)
    assert str(none["advice"]).startswith("nothing: the next command that needs it starts it")
    assert list(own_home.glob("**/manager-*")) == []

    answer = json_reply({"version": "0.0.9", "sessions": []})
    with recording(answer) as server:
        found = only_wrong(well.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=server.url))
    assert found == {
        "about": "manager",
        "text": f"{server.url}, version 0.0.9, commands {__version__}",
        "advice": "agent-session-manager stop, and start it again",
        "matters": True,
    }


def test_a_state_directory_that_others_can_enter_is_found(
    well: Shell, timed_manager: RunningManager
) -> None:
    state = timed_manager.state_dir
    state.chmod(0o755)
    assert only_wrong(well) == {
        "about": "state directory",
        "text": f"{state}, mode 755",
        "advice": f"chmod 700 {state}",
        "matters": True,
    }
    subprocess.run(["chmod", "700", str(state)], check=True)
    assert wrong(well.run("ao-doctor", "--json")) == []


def test_a_state_directory_without_space_is_found(well: Shell) -> None:
    limited = replace(well, prefix=("sh", "-c", 'ulimit -f 8 && exec "$0" "$@"'))
    assert only_wrong(limited) == {
        "about": "state directory",
        "text": f"{well.state_dir} cannot be written: File too large",
        "advice": "make space on its disk, for example with ao-clean",
        "matters": True,
    }
    assert wrong(well.run("ao-doctor", "--json")) == []


def test_events_that_were_not_delivered_are_found(well: Shell) -> None:
    path = outbox_dir(well.state_dir) / "gone.1.db"
    with Outbox(path, Run(session_id="gone", run=1, url="http://127.0.0.1:1")) as outbox:
        outbox.add({"event_type": "x", "event_id": "1"})
        ended = well.run("ao-doctor")
        assert ended.exit_code == DONE
        line = f"ok  outbox: 1 event in {path}, which its supervisor is delivering\n"
        assert line in ended.stdout
        outbox.add({"event_type": "x", "event_id": "2"})
    assert only_wrong(well) == {
        "about": "outbox",
        "text": f"2 events in {path}",
        "advice": "any command delivers them while the manager can be reached",
        "matters": True,
    }
    assert list_outboxes(path.parent) == [path]
    path.write_text("no database" * 100)
    found = only_wrong(well)
    assert (found["about"], found["advice"]) == ("outbox", f"look at {path}, or remove it")


def test_events_that_the_manager_refused_for_good_are_found(
    well: Shell, timed_manager: RunningManager
) -> None:
    path = outbox_dir(well.state_dir) / "gone.1.db"
    with Outbox(path, Run(session_id="gone", run=1, url=timed_manager.url)) as outbox:
        outbox.add({"event_type": "diagnostic", "event_id": "1"})
    assert well.run("ao-list-sessions") == Ended(DONE, "", "")
    found = only_wrong(well)
    assert found["about"] == "outbox"
    assert str(found["text"]).startswith("1 refused for good: diagnostic: ")
    assert "404 no session 'gone'" in str(found["text"])
    assert found["advice"] == (
        f"ao-doctor --fix sends it again; to discard it: rm {path} {path.with_suffix('.lock')}"
    )
    with Outbox(path):
        held = only_wrong(well)
    assert held["text"] == f"1 refused for good in {path}, while its run continues"
    with Api(timed_manager) as api:  # the cause is removed, and no event is lost
        assert api.post("/sessions", {"session_id": "gone", "session_name": "gone"}).status == 201
    fixed = well.run("ao-doctor", "--fix")
    assert fixed.stderr == "ao-doctor: sending 1 refused event or transcript line again\n"
    assert list_outboxes(path.parent) == []


def test_fix_stops_processes_of_a_dead_supervisor(
    well: Shell, timed_manager: RunningManager, gate: Gate, started: Path
) -> None:
    session_id, pid = start_detached(well, "x", started, gate)
    kill_supervisor(well.state_dir, session_id)
    well.run("ao-list-sessions")  # delivers the events in its outbox
    assert only_wrong(well) == {
        "about": "supervisor",
        "text": "'x': its supervisor died and left 1 process",
        "advice": "ao-doctor --fix, or ao-stop the session",
        "matters": True,
    }
    assert is_alive(pid)
    after_fix = well.run("ao-doctor", "--fix", "--json")
    assert wrong(after_fix) == []
    assert after_fix.stderr == "ao-doctor: 'x': 1 process stopped\n"
    assert not is_alive(pid)
    assert well.run("ao-doctor", "--fix").stderr == ""
    timed_manager.time.let_pass(60)
    assert well.run("ao-wait", "x") == Ended(FAILED, "x lost\n", "")


def test_credentials_are_reported_without_their_values(well: Shell, own_home: Path) -> None:
    def about_credentials(shell: Shell) -> Finding:
        ended = shell.run("ao-doctor", "--json")
        (found,) = (finding for finding in ended.json if finding["about"] == "credentials")
        printed = ended.stdout + ended.stderr + shell.run("ao-doctor").stdout
        assert "of-the-person" not in printed
        return dict(found)

    without = well.having(ANTHROPIC_API_KEY=None, HOME=str(own_home))
    assert about_credentials(without) == {
        "about": "credentials",
        "text": "none found",
        "advice": "run `claude` and /login there, or set ANTHROPIC_API_KEY",
        "matters": False,
    }
    ended = without.run("ao-doctor")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert (
        "?   credentials: none found\n"
        "    do: run `claude` and /login there, or set ANTHROPIC_API_KEY\n"
    ) in ended.stdout
    login = own_home / ".claude" / ".credentials.json"
    login.parent.mkdir()
    login.write_text(json.dumps({"accessToken": "secret-of-the-person"}))
    assert about_credentials(without)["text"] == "login of claude"
    both = without.having(ANTHROPIC_API_KEY="sk-of-the-person")
    assert about_credentials(both)["text"] == "ANTHROPIC_API_KEY, login of claude"


def test_targets_that_do_not_take_alerts_are_found(
    well: Shell, timed_manager: RunningManager
) -> None:
    kinds = frozenset({AlertKind.LOST})
    targets = [
        Target(name=name, interest=Interest(target_id=name, kinds=kinds), command=("true",))
        for name in ("phone", "team")
    ]
    file = TargetsFile(timed_manager.state_dir)
    file.change(lambda _: targets)
    file.disable("team", "gone")
    try:
        ended = well.run("ao-doctor")
        assert "ok  alerts: target phone: 0 alerts waiting\n" in ended.stdout
        assert only_wrong(well) == {
            "about": "alerts",
            "text": "target team is disabled: gone",
            "advice": "try it: agent-session-manager notify test team",
            "matters": True,
        }
        (timed_manager.state_dir / "notify.json").write_text("{")
        assert "is not a file of targets" in only_wrong(well)["text"]
    finally:
        (timed_manager.state_dir / "notify.json").unlink()

"""`ao-list-sessions`, `ao-list-agents` and `ao-show-config`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.console.tables import sessions as session_table
from agent_orchestrator.sessions.listing import STATES
from agent_session_manager.store.changes import CreateSession
from tests.commands.shell import DONE, FAILED, USAGE, Ended, Shell
from tests.support.filling import fill
from tests.support.manager import RunningManager
from tests.support.rows import each_row

Make = Callable[..., str]


@pytest.fixture
def make(records: ManagerClient, project: Path, new_id: Callable[[], str]) -> Make:
    def session(name: str, *, stop: str | None = "completed", agent: str | None = None) -> str:
        session_id = new_id()
        records.create_named_session(
            session_id, name, project_dir=str(project), agent_name=agent, executor="command"
        )
        if stop is not None:
            records.add_event(session_id, {"event_type": "session_stop", "reason": stop})
        return session_id

    return session


def names(ended: Ended) -> list[str]:
    """Return the session names of a list in JSON."""
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    return [session["session_name"] for session in ended.json]


ASKED = {
    "event_type": "permission_request",
    "event_id": "q:asked",
    "question_id": "q",
    "choices": [{"id": "deny", "kind": "deny", "label": "No"}],
}


def test_each_word_of_the_state_column_is_a_filter(
    shell: Shell, records: ManagerClient, make: Make
) -> None:
    for state in STATES:
        stop = {"running": None, "waiting": None, "finished": "completed"}.get(state, state)
        session_id = make(state, stop=stop)
        if state == "waiting":
            records.add_event(session_id, ASKED)
    for state in STATES:
        for limit in ([], ["--limit", "1"]):
            listed = shell.run("ao-list-sessions", "--json", "--here", "--state", state, *limit)
            assert names(listed) == [state]
        of_status = names(shell.run("ao-list-sessions", "--json", "--here", "--status", state))
        covered = {"finished": list(STATES[:1:-1]), "running": ["waiting", "running"]}
        assert of_status == covered.get(state, [state])


def test_sessions_are_a_table_with_the_newest_first(
    shell: Shell, make: Make, project: Path
) -> None:
    one, two = make("one", agent="reviewer"), make("number two", stop="failed")
    three = make("three", stop=None)
    ended = shell.run("ao-list-sessions", "--here")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    rows = [line.split("  ") for line in ended.stdout.splitlines()]
    cells = [[cell.strip() for cell in row if cell] for row in rows]
    for row in cells[1:]:
        assert re.fullmatch(r"\d+ (?:s|min)", row.pop(3))
    assert cells == [
        ["NAME", "STATE", "AGENT", "LAST ACTIVITY", "PROJECT", "ID"],
        ["three", "running", "command", str(project), three],
        ["number two", "failed", "command", str(project), two],
        ["one", "finished", "reviewer", str(project), one],
    ]


def test_json_lists_the_records_of_the_manager(
    shell: Shell, make: Make, records: ManagerClient, project: Path
) -> None:
    make("one")
    ended = shell.run("ao-list-sessions", "--here", "--json")
    assert ended.json == list(records.find_sessions(project_dir=str(project)))


def test_filters_select_sessions_and_can_be_combined(
    shell: Shell, make: Make, records: ManagerClient, tmp_path: Path
) -> None:
    make("one", agent="reviewer")
    make("two", stop=None, agent="reviewer")
    make("three")
    old = make("old")
    records._request("PATCH", f"/sessions/{old}", {"archived": True})

    def listed(*filters: str) -> list[str]:
        return names(shell.run("ao-list-sessions", "--json", "--here", *filters))

    assert listed() == ["three", "two", "one"]
    assert listed("--status", "running") == ["two"]
    assert listed("--status", "finished") == ["three", "one"]
    refused = shell.run("ao-list-sessions", "--status", "failed", "--state", "lost")
    assert (refused.exit_code, refused.stdout) == (USAGE, "")
    assert listed("--agent", "reviewer") == ["two", "one"]
    assert listed("--agent", "reviewer", "--status", "finished") == ["one"]
    assert listed("--archived") == ["old"]
    assert listed("-n", "2") == ["three", "two"]
    assert listed("--limit", "1", "--agent", "reviewer") == ["two"]


def test_list_selects_sorts_and_prints_parts(
    shell: Shell, make: Make, records: ManagerClient, project: Path
) -> None:
    first, second = make("one", stop="failed"), make("two", stop=None, agent="reviewer")
    say = {"event_type": "message", "role": "user", "content": [{"type": "text", "text": "Hi."}]}
    records.add_event(second, say)

    def listed(*given: str) -> list[str]:
        return names(shell.run("ao-list-sessions", "--json", "--here", *given))

    assert listed("--needs-me") == ["one"]
    assert listed("--text", "REVIEW") == ["two"]
    assert listed("--project", project.name, "--sort", "name") == ["one", "two"]
    assert listed("--project", "elsewhere") == []
    assert listed("--since", "1h", "-n", "1") == ["two"]
    assert listed("--since", "2999-01-01") == []
    assert shell.run("ao-list-sessions", "-q", "--here").stdout == f"{second}\n{first}\n"
    some = shell.run("ao-list-sessions", "--here", "--json=session_name,prompt")
    assert some.json == [
        {"session_name": "two", "prompt": "Hi."},
        {"session_name": "one", "prompt": None},
    ]
    wide = shell.run("ao-list-sessions", "--here", "--wide").stdout.splitlines()
    assert wide[0].split() == [*session_table.WIDE]
    assert second[:8] in wide[1] and second not in wide[1] and "Hi." in wide[1]
    for given, problem in (
        (["--json=nonsense"], "no field 'nonsense'; fields: agent, "),
        (["--since", "soon"], "'soon' is not 2h, today, 7d, a date such as"),
        (["--watch", "-q"], "give --watch or --quiet, not both"),
    ):
        refused = shell.run("ao-list-sessions", "--here", *given)
        assert (refused.exit_code, refused.stdout) == (USAGE, "")
        assert problem in refused.stderr


def test_watched_list_shows_changes(shell: Shell, make: Make, records: ManagerClient) -> None:
    make("one")
    with shell.on_terminal("ao-list-sessions", "--here", "--watch") as terminal:
        terminal.shows("one")
        two = make("two", stop=None)
        terminal.shows("two")
        records.add_event(two, {"event_type": "session_stop", "reason": "failed"})
        terminal.shows("failed")
        terminal.types("\x03")
        assert terminal.wait() == DONE
    with shell.having(TERM="dumb").on_terminal("ao-list-sessions", "--here", "-w") as plain:
        plain.shows("two  failed\n")
        records._request("PATCH", f"/sessions/{two}", {"session_name": "three"})
        plain.shows("three  failed\n")
        records._request("DELETE", f"/sessions/{two}")
        plain.shows("three  deleted\n")
        assert "\x1b" not in plain.screen


def test_sessions_of_all_projects_are_listed_by_default(
    shell: Shell, make: Make, tmp_path: Path, project: Path
) -> None:
    make("one")
    everywhere = shell.at(tmp_path).run("ao-list-sessions", "--json")
    assert "one" in names(everywhere)
    named = shell.at(tmp_path).run("ao-list-sessions", "--json", "--project-dir", str(project))
    assert names(named) == ["one"]
    assert names(shell.at(tmp_path).run("ao-list-sessions", "--json", "--here")) == []


def test_list_without_sessions_is_empty(shell: Shell) -> None:
    assert shell.run("ao-list-sessions", "--here") == Ended(DONE, "", "")
    assert shell.run("ao-list-sessions", "--here", "--json") == Ended(DONE, "[]\n", "")


def test_empty_list_shows_a_hint_on_a_terminal(shell: Shell) -> None:
    with shell.on_terminal("ao-list-sessions", "--here") as terminal:
        assert terminal.end() == (DONE, "ao-list-sessions: no sessions; ao-new starts one\n")
    with shell.on_terminal("ao-list-agents") as terminal:
        code, screen = terminal.end()
    assert code == DONE
    assert screen.startswith("ao-list-agents: no agents; define one in ")


@each_row("limit", ["0", "-1", "many"])
def test_limit_must_be_above_zero(shell: Shell, limit: str) -> None:
    ended = shell.run("ao-list-sessions", "--limit", limit)
    assert (ended.exit_code, ended.stdout) == (USAGE, "")
    assert "--limit" in ended.stderr


def test_more_sessions_than_a_page_are_all_listed_once(
    shell: Shell,
    project: Path,
    tmp_path: Path,
    start_manager: Callable[..., RunningManager],
) -> None:
    names_in_order = [f"n{number}" for number in range(1100)]
    changes = [
        CreateSession(session_id=name, session_name=name, project_dir=str(project))
        for name in names_in_order
    ]
    fill(tmp_path / "full" / "state", changes)
    full = shell.having(**start_manager(tmp_path / "full").environment())
    newest_first = names_in_order[::-1]
    limited = full.run("ao-list-sessions", "--json", "--limit", "1050")
    assert names(limited) == newest_first[:1050]
    rows = full.run("ao-list-sessions").stdout.splitlines()[1:]
    assert [row.split()[0] for row in rows] == newest_first


def define(project: Path, name: str, text: str) -> Path:
    source = project / ".claude" / "agents" / f"{name}.md"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text)
    return source


def test_agents_are_listed_as_a_table_or_as_json(shell: Shell, project: Path) -> None:
    front = "name: reviewer\ndescription: Reviews diffs.\nmodel: opus\ntools: Read, Grep"
    source = define(project, "reviewer", f"---\n{front}\n---\nBe brief.\n")
    ended = shell.run("ao-list-agents")
    assert ended == Ended(
        DONE,
        "NAME      EXECUTOR  MODEL  DESCRIPTION\nreviewer  claude    opus   Reviews diffs.\n",
        "",
    )
    assert shell.run("ao-list-agents", "--json").json == [
        {
            "name": "reviewer",
            "description": "Reviews diffs.",
            "executor": "claude",
            "model": "opus",
            "tools": ["Read", "Grep"],
            "permission_mode": None,
            "source": str(source),
        }
    ]


def test_invalid_agent_is_reported_and_others_are_listed(shell: Shell, project: Path) -> None:
    define(project, "good", "---\nname: good\ndescription: d\n---\nBe brief.\n")
    bad = define(project, "bad", "---\ndescription: nameless\n---\nBe brief.\n")
    ended = shell.run("ao-list-agents", "--json")
    assert ended.exit_code == DONE
    assert [agent["name"] for agent in ended.json] == ["good"]
    assert (
        ended.stderr
        == f"ao-list-agents: {bad}: the front matter has no name: Claude Code ignores this file\n"
    )


def test_agents_dir_option_selects_the_directory(shell: Shell, tmp_path: Path) -> None:
    definition = tmp_path / "agents" / "counter" / "agent.json"
    definition.parent.mkdir(parents=True)
    definition.write_text(json.dumps({"command": ["wc", "-w"]}))
    ended = shell.run("ao-list-agents", "--json", "--agents-dir", str(tmp_path / "agents"))
    assert [(agent["name"], agent["executor"]) for agent in ended.json] == [("counter", "command")]


def test_configuration_is_the_same_as_table_and_json(
    shell: Shell, project: Path, manager: RunningManager
) -> None:
    config = {
        "project_dir": str(project),
        "sessions_dir": f"{project}/.agent-orchestrator/agent-sessions",
        "agents_dir": f"{project}/.agent-orchestrator/agents",
        "enable_logging": False,
        "session_manager_url": manager.url,
        "state_dir": str(manager.state_dir),
    }
    assert shell.run("ao-show-config", "--json").json == config
    ended = shell.run("ao-show-config")
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    assert dict(line.split(None, 1) for line in ended.stdout.splitlines()) == {
        name: str(value) for name, value in config.items()
    }


def test_impossible_directory_is_refused(shell: Shell) -> None:
    ended = shell.run("ao-show-config", "--sessions-dir", "/dev/null/sessions")
    assert ended == Ended(
        USAGE,
        "",
        "ao-show-config: AGENT_ORCHESTRATOR_SESSIONS_DIR (--sessions-dir): "
        "the directory '/dev/null/sessions' cannot be created\n",
    )


MOUNT_READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && exec "$@"'


@pytest.fixture
def read_only(shell: Shell, project: Path, own_mounts: tuple[str, ...]) -> Shell:
    """A shell in which the project is mounted read-only."""
    return replace(shell, prefix=(*own_mounts, "sh", "-c", MOUNT_READ_ONLY, str(project)))


def test_reading_commands_work_in_a_read_only_checkout(
    read_only: Shell, make: Make, project: Path
) -> None:
    make("one")
    (project / ".git").mkdir()
    for command in ("ao-list-agents", "ao-list-sessions", "ao-show-config", "ao-status"):
        arguments = ["one"] if command == "ao-status" else []
        assert read_only.run(command, *arguments).exit_code == DONE, command
        assert list(project.iterdir()) == [project / ".git"], command


def test_new_writes_nothing_to_a_read_only_checkout(
    read_only: Shell,
) -> None:
    ended = read_only.run("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
    assert ended == Ended(DONE, "hi\n", "")
    touched = read_only.run("ao-new", "y", "--executor", "command", "--", "touch", "file")
    assert touched.exit_code == FAILED
    assert "Read-only file system" in touched.stderr

"""`ao-dashboard`: an address that opens one browser once, and in it the token's place is a code."""

from __future__ import annotations

import re
from pathlib import Path

import psutil
import pytest

from agent_session_manager.discovery import discovery_path, find_manager
from tests.commands.shell import DONE, FAILED, Ended, Shell
from tests.support.api import Answer, Api, raw_connection
from tests.support.manager import RunningManager
from tests.support.recording import json_reply, recording

SCREENLESS = dict.fromkeys(("BROWSER", "DISPLAY", "SSH_CONNECTION", "TERM", "WAYLAND_DISPLAY"))
UNOPENED = (
    "ao-dashboard: no browser can be opened from here: "
    "open this address yourself, within a minute\n"
)
ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/#code=([\w-]{43})\n?")


@pytest.fixture
def browser(tmp_path: Path) -> Path:
    """A browser of the test's own: it writes down with what it is opened."""
    program = tmp_path / "browser"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >> "$0.opened"\n')
    program.chmod(0o755)
    return program


def exchange(manager: RunningManager, code: str) -> Answer:
    with Api(manager) as api:
        api.headers = {}
        return api.post("/dashboard/token", {"code": code})


def assert_opens_once(manager: RunningManager, address: str) -> None:
    found = ADDRESS.fullmatch(address)
    assert found is not None, address
    assert found[1] == manager.url
    assert manager.token not in address
    assert exchange(manager, found[2]).json == {"ok": True, "token": manager.token}
    assert exchange(manager, found[2]).refusal == (401, "code_not_valid")


def test_the_browser_is_opened_at_an_address_that_is_good_once(
    shell: Shell, manager: RunningManager, browser: Path
) -> None:
    ended = shell.having(**SCREENLESS).having(BROWSER=str(browser)).run("ao-dashboard")
    assert ended == Ended(DONE, f"opened {manager.url}\n", "")
    assert_opens_once(manager, Path(f"{browser}.opened").read_text())


def test_token_is_in_no_log_no_argument_and_no_file_but_its_own_after_it_was_used(
    shell: Shell, manager: RunningManager, browser: Path
) -> None:
    token = manager.token
    shell.having(**SCREENLESS).having(BROWSER=str(browser)).run("ao-dashboard")
    assert_opens_once(manager, Path(f"{browser}.opened").read_text())
    with Api(manager) as api:
        answers = [
            api.get(f"/sessions?token={token}"),
            api.get(f"/{token}"),
            api.post("/sessions", {}),
            api.call("GET", "/sessions", headers={"Authorization": token}),
            api.call("GET", "/sessions", headers={"Host": token}),
        ]
    assert [answer.status for answer in answers] == [422, 404, 422, 401, 403]
    assert not [answer for answer in answers if token in answer.body.decode()]
    with raw_connection(manager.port) as connection:
        broken = f"GET / HTTP/x\r\nAuthorization: Bearer {token}\r\n\r\n"
        assert connection.ask(broken.encode()).status == 400
    assert "Invalid HTTP request" in manager.log()
    assert token not in " ".join(psutil.Process(manager.pid).cmdline())
    files = [path for path in manager.directory.rglob("*") if path.is_file()]
    assert manager.log_path in files
    holding = [path for path in files if token.encode() in path.read_bytes()]
    assert holding == [discovery_path(manager.state_dir, manager.port)]


def test_an_address_that_is_only_to_be_printed_opens_nothing(
    shell: Shell, manager: RunningManager, browser: Path
) -> None:
    on_screen = shell.having(**SCREENLESS).having(BROWSER=str(browser))
    for arguments in (["--print"], ["--print", "--json"]):
        ended = on_screen.run("ao-dashboard", *arguments)
        assert (ended.exit_code, ended.stderr) == (DONE, "")
        assert not Path(f"{browser}.opened").exists()
        assert_opens_once(manager, ended.json["url"] if "--json" in arguments else ended.stdout)


def test_json_says_whether_it_was_opened(
    shell: Shell, manager: RunningManager, browser: Path
) -> None:
    on_screen = shell.having(**SCREENLESS).having(BROWSER=str(browser))
    opened = on_screen.run("ao-dashboard", "--json")
    assert opened.json == {"url": Path(f"{browser}.opened").read_text().strip(), "opened": True}
    unopened = shell.having(**SCREENLESS).run("ao-dashboard", "--json")
    assert (unopened.exit_code, unopened.json["opened"], unopened.stderr) == (DONE, False, UNOPENED)


def test_without_a_screen_over_ssh_or_with_a_browser_that_fails_the_address_is_printed(
    shell: Shell, manager: RunningManager, browser: Path, tmp_path: Path
) -> None:
    bare = shell.having(**SCREENLESS)
    for there in (
        bare,
        bare.having(BROWSER=str(browser), SSH_CONNECTION="192.0.2.1 50000 192.0.2.2 22"),
        bare.having(BROWSER=str(tmp_path / "none")),
        bare.having(BROWSER="false"),
        bare.having(DISPLAY=":99", PATH=str(tmp_path)),
    ):
        ended = there.run("ao-dashboard")
        assert (ended.exit_code, ended.stderr) == (DONE, UNOPENED)
        assert_opens_once(manager, ended.stdout)
    assert not Path(f"{browser}.opened").exists()


def test_a_manager_that_has_no_dashboard_is_named(shell: Shell) -> None:
    unknown = json_reply({"detail": "Not Found", "code": "not_found"}, 404)
    with recording(unknown) as server:
        there = shell.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=server.url)
        ended = there.run("ao-dashboard", "--print")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert ended.stderr == (
        f"ao-dashboard: the manager at {server.url} has no dashboard: it is older than this "
        "command. Restart it with: agent-session-manager stop\n"
    )


def test_a_manager_is_started_where_none_runs(lonely: Shell, state_dir: Path) -> None:
    ended = lonely.run("ao-dashboard", "--print")
    assert ended.exit_code == DONE
    assert ended.stderr.startswith("ao-dashboard: started a session manager ")
    assert ADDRESS.fullmatch(ended.stdout)
    assert find_manager(state_dir, 8765) is not None

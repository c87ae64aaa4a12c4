"""`ao-dashboard`: the address that it opens holds a one-time code instead of the token."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil
import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_session_manager.machine.discovery import discovery_path, find_manager
from tests.commands.shell import DONE, FAILED, NOT_FOUND, USAGE, Ended, Shell
from tests.support.api import Answer, Api, raw_connection
from tests.support.manager import RunningManager
from tests.support.recording import json_reply, recording

SCREENLESS = dict.fromkeys(
    ("BROWSER", "DISPLAY", "SSH_CONNECTION", "TERM", "WAYLAND_DISPLAY", "XDG_DATA_DIRS")
)
UNOPENED = (
    "ao-dashboard: no browser can be opened from here: "
    "open this address yourself, within a minute\n"
)
ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/#code=([\w-]{43})\n?")
REMOTE_OR_SANDBOXED = (
    *("SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "WSL_DISTRO_NAME", "SNAP", "FLATPAK_ID"),
)


@pytest.fixture
def browser(tmp_path: Path) -> Path:
    """A browser program for this test that writes its arguments to a file."""
    program = tmp_path / "browser"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >> "$0.opened"\n')
    program.chmod(0o755)
    return program


def exchange(manager: RunningManager, code: str) -> Answer:
    with Api(manager) as api:
        api.headers = {}
        return api.post("/dashboard/token", {"code": code})


def assert_gives_access(manager: RunningManager, code: str) -> None:
    token = exchange(manager, code).json["token"]
    assert token != manager.token
    with Api(manager) as page:
        page.headers = {"Authorization": f"Bearer {token}"}
        assert page.get("/sessions").status == 200


def assert_opens_once(manager: RunningManager, address: str) -> None:
    found = ADDRESS.fullmatch(address)
    assert found is not None, address
    assert found[1] == manager.url
    assert manager.token not in address
    assert_gives_access(manager, found[2])
    assert exchange(manager, found[2]).refusal == (401, "code_not_valid")


def opened_file(browser: Path) -> Path:
    """The file that the browser was opened with: its only argument."""
    (argument,) = Path(f"{browser}.opened").read_text().splitlines()
    assert argument.startswith("file:///")
    return Path(unquote(urlsplit(argument).path))


def address_in(page: Path) -> str:
    addresses = set(re.findall(r'http://[^"]+', page.read_text()))
    assert len(addresses) == 1
    return str(addresses.pop())


def test_browser_is_started_with_a_private_file_that_is_removed(
    shell: Shell, manager: RunningManager, browser: Path
) -> None:
    before = len(manager.log())  # log lines of earlier tests
    ended = shell.having(**SCREENLESS).having(BROWSER=str(browser)).run("ao-dashboard")
    assert ended == Ended(DONE, f"opened {manager.url}\n", "")
    page = opened_file(browser)
    assert (page.parent, stat.S_IMODE(page.stat().st_mode)) == (manager.state_dir, 0o600)
    code = address_in(page).partition("#code=")[2]
    assert_gives_access(manager, code)
    assert not page.exists()
    said = manager.log()[before:]
    assert "exchanged a dashboard code" in said
    assert "used before" not in said
    assert exchange(manager, code).refusal == (401, "code_not_valid")
    assert "a dashboard code was used before and 127.0.0.1:" in manager.log()[before:]


def test_redirect_file_is_removed_by_stop_and_after_a_kill(
    start_manager: Callable[..., RunningManager], shell: Shell, browser: Path
) -> None:
    own = start_manager()
    there = shell.having(**own.environment(), **SCREENLESS).having(BROWSER=str(browser))
    for end in (own.stop, own.kill):
        there.run("ao-dashboard")
        page = opened_file(browser)
        assert page.exists()
        end()
        own.restart()
        assert not page.exists()
        Path(f"{browser}.opened").unlink()


def test_control_token_is_only_in_its_own_file(
    shell: Shell, manager: RunningManager, browser: Path
) -> None:
    token = manager.token
    shell.having(**SCREENLESS).having(BROWSER=str(browser)).run("ao-dashboard")
    assert_opens_once(manager, address_in(opened_file(browser)))
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


def test_page_opens_at_a_session_at_an_event_or_at_now(
    shell: Shell, manager: RunningManager, records: ManagerClient, browser: Path, project: Path
) -> None:
    records.create_named_session("fix:1", "x", project_dir=str(project))
    records.append_events("fix:1", [{"event_type": "message", "role": "user"}] * 2)
    on_screen = shell.having(**SCREENLESS).having(BROWSER=str(browser))
    for arguments, path in (
        (("x", "--at", "2"), "/sessions/fix:1/seq/2"),
        (("fix:1",), "/sessions/fix:1"),
        (("--now",), "/"),
    ):
        assert on_screen.run("ao-dashboard", *arguments).exit_code == DONE
        opened = address_in(opened_file(browser))
        printed = on_screen.run("ao-dashboard", *arguments, "--print").stdout.strip()
        for address in (opened, printed):
            assert address.endswith(path)
            found = ADDRESS.fullmatch(address.removesuffix(path))
            assert found is not None and found[1] == manager.url
        Path(f"{browser}.opened").unlink()
    for wrong, code, words in (
        (("x", "--at", "3"), NOT_FOUND, "session 'x' has no event 3: its events are 1 to 2"),
        (("--at", "3"), USAGE, "--at needs a SESSION"),
        (("x", "--now"), USAGE, "--now cannot be combined with a SESSION"),
    ):
        ended = on_screen.run("ao-dashboard", *wrong)
        assert ended == Ended(code, "", f"ao-dashboard: {words}\n")
        assert not Path(f"{browser}.opened").exists()


def test_print_option_opens_no_browser(
    shell: Shell, manager: RunningManager, browser: Path
) -> None:
    on_screen = shell.having(**SCREENLESS).having(BROWSER=str(browser))
    for arguments in (["--print"], ["--print", "--json"]):
        ended = on_screen.run("ao-dashboard", *arguments)
        assert (ended.exit_code, ended.stderr) == (DONE, "")
        assert not Path(f"{browser}.opened").exists()
        assert_opens_once(manager, ended.json["url"] if "--json" in arguments else ended.stdout)


def test_json_says_whether_a_browser_was_opened(
    shell: Shell, manager: RunningManager, browser: Path
) -> None:
    on_screen = shell.having(**SCREENLESS).having(BROWSER=str(browser))
    opened = on_screen.run("ao-dashboard", "--json")
    assert opened.json == {"url": address_in(opened_file(browser)), "opened": True}
    unopened = shell.having(**SCREENLESS).run("ao-dashboard", "--json")
    assert (unopened.exit_code, unopened.json["opened"], unopened.stderr) == (DONE, False, UNOPENED)


def test_address_is_printed_if_no_browser_can_read_the_file(
    shell: Shell, manager: RunningManager, browser: Path, tmp_path: Path
) -> None:
    bare = shell.having(**SCREENLESS)
    on_screen = bare.having(BROWSER=str(browser))
    snap = tmp_path / "snap" / "bin" / "firefox"
    wrapper, linked = tmp_path / "wrapper", tmp_path / "linked"
    snap.parent.mkdir(parents=True)
    snap.write_bytes(browser.read_bytes())
    linked.symlink_to(snap)
    wrapper.write_text('#!/bin/sh\nexec /snap/bin/firefox "$@"\n')
    for program in (snap, wrapper):
        program.chmod(0o755)
    entries = tmp_path / "data" / "applications"
    entries.mkdir(parents=True)
    (entries / "web.desktop").write_text("[Desktop Entry]\nExec=/usr/bin/flatpak run web %u\n")
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("xdg-open", browser.read_text()), ("xdg-settings", "echo web.desktop")):
        (programs / name).write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    for there in (
        bare,
        *(on_screen.having(**{name: "1"}) for name in REMOTE_OR_SANDBOXED),
        bare.having(BROWSER=str(tmp_path / "none")),
        bare.having(BROWSER="false"),
        bare.having(DISPLAY=":99", PATH=str(tmp_path)),
        *(bare.having(BROWSER=str(program)) for program in (snap, wrapper, linked)),
        bare.having(
            DISPLAY=":99", PATH=f"{programs}:/usr/bin:/bin", XDG_DATA_DIRS=str(tmp_path / "data")
        ),
        on_screen.having(AGENT_ORCHESTRATOR_STATE_DIR=str(tmp_path), **token_of(manager)),
    ):
        ended = there.run("ao-dashboard")
        assert (ended.exit_code, ended.stderr) == (DONE, UNOPENED)
        assert_opens_once(manager, ended.stdout)
    assert not [*tmp_path.rglob("*.opened")]


def token_of(manager: RunningManager) -> dict[str, str]:
    return {"AGENT_ORCHESTRATOR_TOKEN": manager.token}


def test_manager_without_dashboard_is_reported(shell: Shell) -> None:
    unknown = json_reply({"detail": "Not Found", "code": "not_found"}, 404)
    with recording(unknown) as server:
        there = shell.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=server.url)
        ended = there.run("ao-dashboard", "--print")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert ended.stderr == (
        f"ao-dashboard: the manager at {server.url} has no dashboard: it is older than this "
        "command. Restart it with: agent-session-manager stop\n"
    )


def test_manager_is_started_if_none_runs(lonely: Shell, state_dir: Path) -> None:
    ended = lonely.run("ao-dashboard", "--print")
    assert ended.exit_code == DONE
    assert ended.stderr.startswith("ao-dashboard: started a session manager ")
    assert ADDRESS.fullmatch(ended.stdout)
    assert find_manager(state_dir, 8765) is not None

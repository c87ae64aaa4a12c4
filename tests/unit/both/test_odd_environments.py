"""Commands end with a plain error in any environment, and never with an internal error."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent_orchestrator.console.command import FAILED, USAGE, CommandError, configure
from agent_orchestrator.session_client import SessionClient, SessionClientError
from agent_session_manager.settings import SettingsError, load_settings
from agent_session_manager.sql.database.engines.open import open_database
from agent_session_manager.sql.database.errors import DatabaseError
from tests.commands.command_names import arguments_of, module_of
from tests.support.campaign import Campaign
from tests.support.own_signals import signals_kept
from tests.support.recording import refused_url
from tests.support.rows import each_row

PREFIX = "AGENT_ORCHESTRATOR_"
DIFFERENT = ("ao-dashboard", "ao-doctor", "ao-list-agents", "ao-list-sessions", "ao-new")
"""Commands that use the environment in different ways."""
ODD = ("", " ", "~", "~no-such-user/x", "relative/x", "/dev/null/x", "x" * 5000, "\udcff\n")
"""A byte that is not UTF-8 is a lone surrogate here."""
PROXIES = (
    "",
    " ",
    "socks5://127.0.0.1:1",
    "0.0.0.0:x",
    "://",
    "http://[::1",
    "http://0.0.0.0:99999",
)
OUR_OWN = ("PROJECT_DIR", "SESSIONS_DIR", "AGENTS_DIR", "STATE_DIR", "TOKEN")
"""The variable of the manager's URL is not here: if it is empty, commands start a manager."""
VARIABLES = {
    **{PREFIX + name: ODD for name in (*OUR_OWN, "ENABLE_LOGGING", "SESSION_ID", "RUN")},
    **{PREFIX + name: ODD for name in ("RUN_TOKEN", "RUN_MANAGER_URL")},
    **dict.fromkeys(("HOME", "XDG_STATE_HOME", "CLAUDE_CONFIG_DIR", "PATH", "PWD", "TZ"), ODD),
    **dict.fromkeys(("LANG", "LC_ALL", "TERM", "COLUMNS", "NO_COLOR", "SUDO_UID", "TMPDIR"), ODD),
    **dict.fromkeys(("BROWSER", "DISPLAY", "SSH_CONNECTION", "WSL_DISTRO_NAME"), ODD),
    **dict.fromkeys(("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy"), PROXIES),
    **dict.fromkeys(
        ("NO_PROXY", "no_proxy"),
        ("[::1]", "fe80::/10", "10.0.0.0/8", "*", ",,", "a b", "::1,[fe80::1]:8080", "http://[::1"),
    ),
    **dict.fromkeys(("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"), ODD),
}


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """An environment with the manager on another machine, so that proxies apply to its URL."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PREFIX + "SESSION_MANAGER_URL", "http://0.0.0.0:1")
    monkeypatch.setenv(PREFIX + "STATE_DIR", str(tmp_path / "state"))
    yield monkeypatch


@pytest.mark.stress
def test_odd_variables_cause_no_internal_error(
    elsewhere: pytest.MonkeyPatch, campaign: Campaign
) -> None:
    """A short run tries every variable with every command, but only one of its values."""
    chance = campaign.chance()
    wrong = []
    for command, (variable, values) in product(DIFFERENT, VARIABLES.items()):
        main = importlib.import_module(f"agent_orchestrator.cli.{module_of(command)}").main
        for value in chance.sample(values, campaign.count(short=1, long=len(values))):
            with elsewhere.context() as patch, signals_kept():
                patch.setenv(variable, value)
                result = CliRunner().invoke(main, arguments_of(command), prog_name=command)
            if result.exit_code not in (0, 1, 2, 3) or "internal error" in result.output:
                wrong.append((command, variable, value[:40], result.output, result.exception))
    assert wrong == []


def test_client_raises_its_own_error_for_odd_proxies(elsewhere: pytest.MonkeyPatch) -> None:
    seen = set()
    for variable in (name for name in VARIABLES if name.upper().endswith("PROXY")):
        for value in VARIABLES[variable]:
            with elsewhere.context() as patch:
                patch.setenv(variable, value)
                with (
                    pytest.raises(SessionClientError) as caught,
                    SessionClient("http://0.0.0.0:1") as client,
                ):
                    client.get_status("x")
                seen.add("proxy settings" in str(caught.value))
    assert seen == {True, False}


@each_row(
    "url",
    ["http://user:PASSWORD@127.0.0.1:1", "http://user:PASSWORD@xn--a", "user:PASSWORD@127.0.0.1:1",
     "http://PASSWORD@h", "http://u:PASS/WORD@h:1", "http://u:PASS#WORD@h", "http://u:PASS?WORD@h",
     "http://u:PASS@WORD@h:1", "http:/u:PASSWORD@h", "http://u:PASS WORD@h", "ftp://u:PASSWORD@h",
     "http://h:1?token=PASSWORD", "http://h/#PASSWORD", "http://u:PASSWORD@[::1", "//u:PASSWORD@h",
     "http://u:PASSWORD@h:x", "http://u:PASSWORD@999.1.1.1", "http://u:PASS\x01WORD@h"],
)  # fmt: skip
def test_password_in_a_url_is_in_no_message(elsewhere: pytest.MonkeyPatch, url: str) -> None:
    said = []
    elsewhere.setenv(PREFIX + "SESSION_MANAGER_URL", url)
    for command in ("ao-show-config", "ao-doctor"):
        main = importlib.import_module(f"agent_orchestrator.cli.{module_of(command)}").main
        with signals_kept():
            result = CliRunner().invoke(main, [], prog_name=command)
        assert result.exit_code == USAGE
        assert PREFIX + "SESSION_MANAGER_URL" in result.output
        said.append(result.output)
    with pytest.raises(SessionClientError) as refused:
        SessionClient(url)
    with pytest.raises(DatabaseError) as unusable:
        open_database(url)
    for caught in (refused, unusable):
        said += [str(caught.value), repr(caught.value)]
    elsewhere.setenv("ALL_PROXY", url)
    with pytest.raises(SessionClientError) as caught, SessionClient("http://0.0.0.0:1") as client:
        client.get_status("x")
    said += [f"{caught.value} {caught.value.__cause__!r}"]
    assert [text for text in said if "PASS" in text or "WORD" in text] == []


@each_row(
    "url",
    ["http://xn--a", "http://xn--a:80/x", "http://a..b", "http://" + "a" * 64, "http://999.1.1.1",
     "http://[v1.a]", "http://h:70000", "http://h:０", "http://a b", "http://a*", "http://%41",
     "http://a\\b", "http://h\n:1", " http://h", "http://\u2100x.", "http://h\udcff"],
)  # fmt: skip
def test_invalid_url_is_named_with_its_setting(elsewhere: pytest.MonkeyPatch, url: str) -> None:
    elsewhere.setenv(PREFIX + "SESSION_MANAGER_URL", url)
    main = importlib.import_module("agent_orchestrator.cli.list_sessions").main
    with signals_kept():
        result = CliRunner().invoke(main, [], prog_name="ao-list-sessions")
    assert result.exit_code in (FAILED, USAGE)
    assert result.output.startswith(f"ao-list-sessions: {PREFIX}SESSION_MANAGER_URL")
    assert "proxy" not in result.output
    with pytest.raises(SessionClientError) as caught, SessionClient(url) as client:
        client.get_status("x")
    assert "proxy" not in str(caught.value)


def test_client_of_loopback_ignores_odd_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "[::1]")
    with (
        refused_url() as url,
        SessionClient(url) as client,
        pytest.raises(SessionClientError, match="refused"),
    ):
        client.get_status("x")


def test_manager_settings_raise_settings_error_for_odd_values(tmp_path: Path) -> None:
    names = [*(PREFIX + name for name in _settings_variables()), "HOME", "XDG_STATE_HOME"]
    defaults = load_settings({PREFIX + "STATE_DIR": str(tmp_path)})
    for name in names:
        for value in ODD:
            environ = {PREFIX + "STATE_DIR": str(tmp_path), name: value}
            try:
                settings = load_settings(environ)
            except SettingsError as exc:
                assert value.strip(), (name, exc)
            else:
                is_set = value.strip() or name == PREFIX + "STATE_DIR"
                assert is_set or settings == defaults, name


def _settings_variables() -> set[str]:
    """Return the names of the variables that the manager reads."""
    asked = set()

    class Recording(dict[str, str]):
        def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
            asked.add(name)
            return super().get(name, default)

    load_settings(Recording({"HOME": "/"}))
    return {name.removeprefix(PREFIX) for name in asked if name.startswith(PREFIX)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_unsearchable_directory_still_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "locked" / "project"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    (tmp_path / "locked").chmod(0o700)
    os.seteuid(65534)
    try:
        named = configure(must_exist=False).project_dir
        with pytest.raises(CommandError) as caught:
            configure()
    finally:
        os.seteuid(0)
    assert named == here
    assert caught.value.exit_code == USAGE
    assert f"{here} is gone or not searchable for this user" in str(caught.value)


def test_removed_directory_still_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "removed"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("PWD", str(here))
    here.rmdir()
    assert configure(must_exist=False).project_dir == here
    assert configure("sub/../other", must_exist=False).project_dir == here / "other"
    with pytest.raises(CommandError, match="is gone"):
        configure()


def test_project_of_another_machine_is_looked_up_by_its_name() -> None:
    assert configure("/no/such/x", must_exist=False).project_dir == Path("/no/such/x")
    with pytest.raises(CommandError, match="--project-dir: no directory"):
        configure("/no/such/x")

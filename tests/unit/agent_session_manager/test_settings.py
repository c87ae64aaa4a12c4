from __future__ import annotations

import re
from dataclasses import fields, replace
from inspect import signature
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.machine.environment import (
    manager_database,
    manager_environment,
    manager_port,
    state_dir,
)
from agent_orchestrator.session_client import SessionClient
from agent_session_manager.settings import Settings, SettingsError, load_settings
from agent_shared.manager_settings import MIN_LEASE_SECONDS, PREFIX, SETTINGS
from tests.support.rows import each_row

TOKEN = "x" * 32


def test_settings_have_defaults(own_home: Path) -> None:
    settings = load_settings({})
    state_dir = own_home / ".local" / "state" / "agent-orchestrator"
    assert settings == Settings(
        state_dir=state_dir,
        port=8765,
        database_url="",
        allow_hosts=(),
        allow_origins=(),
        auth=True,
        bind="",
        tls_certificate=None,
        tls_key=None,
        allow_network=False,
        transcripts=True,
        prices=None,
        import_history=False,
        lease_seconds=45,
        backup_every_hours=0,
        backups_kept=7,
        archive_after_days=0,
        delete_archived_after_days=0,
        delete_transcripts_after_days=0,
        token="",
    )
    assert settings.resolved_database_url == f"sqlite:///{state_dir / 'sessions.db'}"
    assert not state_dir.exists()


def test_flags_precede_environment_and_environment_defaults() -> None:
    environ = {
        "AGENT_ORCHESTRATOR_STATE_DIR": "/env",
        "AGENT_ORCHESTRATOR_PORT": "1",
        "AGENT_ORCHESTRATOR_DATABASE_URL": "sqlite:////env.db",
        "AGENT_ORCHESTRATOR_ALLOW_HOSTS": "a:1, b ,",
        "AGENT_ORCHESTRATOR_ALLOW_ORIGINS": "http://LOCALHOST:5173/, https://x.test",
        "AGENT_ORCHESTRATOR_AUTH": "off",
        "AGENT_ORCHESTRATOR_LEASE_SECONDS": "15.5",
        "AGENT_ORCHESTRATOR_TOKEN": TOKEN,
    }
    defaults = load_settings({})
    assert load_settings(environ) == replace(
        defaults,
        state_dir=Path("/env"),
        port=1,
        database_url="sqlite:////env.db",
        allow_hosts=("a:1", "b"),
        allow_origins=("http://localhost:5173", "https://x.test"),
        auth=False,
        lease_seconds=15.5,
        token=TOKEN,
    )
    given = load_settings(
        environ,
        port="0",
        state_dir="/flag",
        database_url="sqlite:////flag.db",
        allow_hosts="c",
        allow_origins="http://flag.test",
        auth="on",
    )
    assert given == replace(
        defaults,
        state_dir=Path("/flag"),
        port=0,
        database_url="sqlite:////flag.db",
        allow_hosts=("c",),
        allow_origins=("http://flag.test",),
        auth=True,
        lease_seconds=15.5,
        token=TOKEN,
    )


@each_row(
    ("environ", "expected"),
    [
        ({"XDG_STATE_HOME": "/xdg"}, "/xdg/agent-orchestrator"),
        ({"XDG_STATE_HOME": "relative"}, "~/.local/state/agent-orchestrator"),
        ({"XDG_STATE_HOME": ""}, "~/.local/state/agent-orchestrator"),
        ({"XDG_STATE_HOME": "/xdg", "AGENT_ORCHESTRATOR_STATE_DIR": "~/own"}, "~/own"),
        ({"AGENT_ORCHESTRATOR_STATE_DIR": ""}, "~/.local/state/agent-orchestrator"),
    ],
)
def test_state_directory_is_absolute(environ: dict[str, str], expected: str) -> None:
    assert load_settings(environ).state_dir == Path(expected).expanduser()


def test_relative_state_directory_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings({}, state_dir="state").state_dir == tmp_path / "state"


@each_row("port", ["http", "-1", "65536", "1.5", "8765 tcp", "1e3"])
def test_invalid_port_error_has_the_value(port: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"AGENT_ORCHESTRATOR_PORT": port})
    assert str(caught.value) == f"AGENT_ORCHESTRATOR_PORT is {port!r}, not a port number"


@each_row("length", ["14.9", "nan", "inf", "-inf", "0", "-5", "45s", "86401"])
def test_invalid_lease_length_error_has_the_value(length: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"AGENT_ORCHESTRATOR_LEASE_SECONDS": length})
    assert str(caught.value) == (
        f"AGENT_ORCHESTRATOR_LEASE_SECONDS is {length!r}, not a number from 15 to 86400 seconds"
    )


@each_row("length", ["15", "86400", " 45 ", "1e2"])
def test_lease_length_is_a_number_of_seconds(length: str) -> None:
    settings = load_settings({"AGENT_ORCHESTRATOR_LEASE_SECONDS": length})
    assert settings.lease_seconds == float(length)


@each_row("token", ["short", "x" * 31, "é" * 40, "x" * 40 + "\n", "x" * 40 + "\x7f"])
def test_invalid_token_error_does_not_have_the_value(token: str) -> None:
    with pytest.raises(SettingsError, match="AGENT_ORCHESTRATOR_TOKEN") as caught:
        load_settings({"AGENT_ORCHESTRATOR_TOKEN": token})
    assert token not in str(caught.value)


def test_changeable_origins_are_remote_plain_http_origins() -> None:
    local = ("http://localhost:5173", "http://127.0.0.1", "http://[::1]:80", "https://x.test")
    origins = (*local, "http://x.test", "http://localhost.x.test", "http://127.0.0.1.x.test:80")
    assert load_settings({}, allow_origins=",".join(origins)).changeable_origins == origins[4:]


def test_token_is_not_in_the_repr() -> None:
    assert TOKEN not in repr(load_settings({"AGENT_ORCHESTRATOR_TOKEN": TOKEN}))


@each_row(
    "origin",
    ["*", "http://*.x.test", "null", "localhost:5173", "http://", "http://x/path", "http://x?q", "http://u@x",
     "ftp://x", "http://x y"],
)  # fmt: skip
def test_invalid_origin_is_refused(origin: str) -> None:
    with pytest.raises(SettingsError, match="is not an origin"):
        load_settings({}, allow_origins=origin)


@each_row("value", ["no", "ON", "0"])
def test_auth_must_be_on_or_off(value: str) -> None:
    with pytest.raises(SettingsError, match="AGENT_ORCHESTRATOR_AUTH"):
        load_settings({"AGENT_ORCHESTRATOR_AUTH": value})


@each_row(
    ("name", "default", "in_environment", "flag"),
    [
        ("backup_every_hours", 0, 24, 0),
        ("backups_kept", 7, 3, 9),
        ("archive_after_days", 0, 30, 7),
        ("delete_archived_after_days", 0, 1.5, 8),
        ("delete_transcripts_after_days", 0, 0, 9),
    ],
)
def test_upkeep_is_off_by_default_and_flags_precede_environment(
    name: str, default: float, in_environment: float, flag: float
) -> None:
    environ = {PREFIX + name.upper(): str(in_environment)}
    assert getattr(load_settings({}), name) == default
    assert getattr(load_settings(environ), name) == in_environment
    assert getattr(load_settings(environ, **{name: str(flag)}), name) == flag


@each_row("name", ["BACKUP_EVERY_HOURS", "ARCHIVE_AFTER_DAYS"])
@each_row("value", ["-1", "nan", "inf", "0.001", "1e9", "1 day"])
def test_invalid_duration_error_has_the_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"AGENT_ORCHESTRATOR_{name} is {value!r}"):
        load_settings({f"AGENT_ORCHESTRATOR_{name}": value})


@each_row("value", ["0", "-1", "1.5", "1001", "many", "²"])
def test_invalid_number_of_backups_error_has_the_value(value: str) -> None:
    with pytest.raises(SettingsError, match=f"AGENT_ORCHESTRATOR_BACKUPS_KEPT is {value!r}"):
        load_settings({"AGENT_ORCHESTRATOR_BACKUPS_KEPT": value})


def test_defaults_match_those_of_the_commands(own_home: Path) -> None:
    settings = load_settings({})
    assert settings.port == manager_port()
    assert settings.state_dir == state_dir()
    assert settings.resolved_database_url == manager_database()


def test_table_has_a_row_for_each_setting() -> None:
    assert [setting.name for setting in SETTINGS] == [field.name for field in fields(Settings)]


@each_row(
    ("flag", "value", "variable"),
    [
        ("--port", "x", "PORT"),
        ("--auth", "maybe", "AUTH"),
        ("--backup-every", "1e308", "BACKUP_EVERY_HOURS"),
        ("--backups-kept", "0", "BACKUPS_KEPT"),
        ("--archive-after", "-1", "ARCHIVE_AFTER_DAYS"),
        ("--allow-origin", "*", "ALLOW_ORIGINS"),
        ("--bind", "0.0.0.0", "BIND"),
        ("--state-dir", "~no-such-user/x", "STATE_DIR"),
        ("--tls-key", "~no-such-user/x", "TLS_KEY"),
    ],
)
def test_error_names_the_flag_or_variable_given(flag: str, value: str, variable: str) -> None:
    name = next(setting.name for setting in SETTINGS if setting.flag == flag)
    with pytest.raises(SettingsError, match=rf"^{flag} is {re.escape(repr(value))}, "):
        load_settings({}, **{name: value})
    with pytest.raises(SettingsError, match=rf"^{PREFIX}{variable} is {re.escape(repr(value))}, "):
        load_settings({PREFIX + variable: value})


def test_background_manager_gets_all_settings_except_secrets(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in SETTINGS:
        monkeypatch.setenv(setting.variable, str(own_home / "x"))
    handed = {name for name in manager_environment() if name.startswith(PREFIX)}
    assert handed == {setting.variable for setting in SETTINGS} - {f"{PREFIX}TOKEN"}


def test_background_manager_gets_no_proxies_and_certificates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An agent can start it too, and would then decide where alerts go."""
    names = {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE"}
    for name in names:
        monkeypatch.setenv(name, "x")
    assert not names & manager_environment().keys()


def test_minimum_lease_is_three_timeouts_of_a_client() -> None:
    for client in (SessionClient, ManagerClient):
        timeout = signature(client.__init__).parameters["timeout"].default
        assert 3 * timeout == MIN_LEASE_SECONDS, client

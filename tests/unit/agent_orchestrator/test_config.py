from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from agent_orchestrator.config import (
    DEFAULT_SESSION_MANAGER_URL,
    ENV_SESSION_MANAGER_URL,
    Config,
    load_config,
)
from tests.support.rows import each_row

PREFIX = "AGENT_ORCHESTRATOR_"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory; it must stay empty."""
    project = tmp_path.resolve() / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    yield project
    assert list(project.iterdir()) == []


def test_names_are_those_of_the_contract() -> None:
    assert (ENV_SESSION_MANAGER_URL, DEFAULT_SESSION_MANAGER_URL) == (
        "AGENT_ORCHESTRATOR_SESSION_MANAGER_URL",
        "http://127.0.0.1:8765",
    )
    assert [field.name for field in fields(Config)] == [
        "project_dir",
        "sessions_dir",
        "agents_dir",
        "enable_logging",
        "session_manager_url",
    ]


def test_defaults_are_below_the_working_directory(project: Path) -> None:
    assert load_config() == Config(
        project_dir=project,
        sessions_dir=project / ".agent-orchestrator" / "agent-sessions",
        agents_dir=project / ".agent-orchestrator" / "agents",
        enable_logging=False,
        session_manager_url="http://127.0.0.1:8765",
    )


def test_flags_override_the_environment_and_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path.resolve()
    for name in ("env", "flag"):
        (root / name).mkdir()
    monkeypatch.setenv(PREFIX + "PROJECT_DIR", str(root / "env"))
    monkeypatch.setenv(PREFIX + "SESSIONS_DIR", str(root / "env" / "s"))
    monkeypatch.setenv(PREFIX + "AGENTS_DIR", str(root / "env" / "a"))
    monkeypatch.setenv(PREFIX + "ENABLE_LOGGING", "true")
    monkeypatch.setenv(PREFIX + "SESSION_MANAGER_URL", "https://manager.test/base")
    from_environment = Config(
        project_dir=root / "env",
        sessions_dir=root / "env" / "s",
        agents_dir=root / "env" / "a",
        enable_logging=True,
        session_manager_url="https://manager.test/base",
    )
    assert load_config() == from_environment
    flags = [str(root / "flag"), str(root / "flag" / "s"), str(root / "flag" / "a")]
    assert load_config(*flags) == Config(
        project_dir=root / "flag",
        sessions_dir=root / "flag" / "s",
        agents_dir=root / "flag" / "a",
        enable_logging=True,
        session_manager_url="https://manager.test/base",
    )


def test_defaults_are_below_a_given_project(tmp_path: Path) -> None:
    given = tmp_path.resolve() / "given"
    given.mkdir()
    config = load_config(str(given))
    assert config.sessions_dir == given / ".agent-orchestrator" / "agent-sessions"
    assert config.agents_dir == given / ".agent-orchestrator" / "agents"


def test_empty_value_counts_as_not_given(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "PROJECT_DIR",
        "SESSIONS_DIR",
        "AGENTS_DIR",
        "ENABLE_LOGGING",
        "SESSION_MANAGER_URL",
    ):
        monkeypatch.setenv(PREFIX + name, "")
    assert load_config("", "", "") == load_config()
    assert load_config().project_dir == project


def test_relative_paths_start_at_the_working_directory(project: Path) -> None:
    config = load_config("..", "s", "../a/b/../c")
    assert (config.project_dir, config.sessions_dir, config.agents_dir) == (
        project.parent,
        project / "s",
        project.parent / "a" / "c",
    )


def test_tilde_means_the_home_directory(own_home: Path) -> None:
    config = load_config("~", "~/s")
    assert (config.project_dir, config.sessions_dir) == (
        own_home.resolve(),
        own_home.resolve() / "s",
    )


def test_project_through_a_link_is_the_project_itself(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(project)
    assert load_config(str(link)) == load_config(str(project))
    monkeypatch.chdir(link)
    assert load_config() == load_config(str(project))


@each_row("value", ["1", "true", "TRUE", "Yes", " on "])
def test_logging_is_switched_on(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(PREFIX + "ENABLE_LOGGING", value)
    assert load_config().enable_logging is True


@each_row("value", ["0", "false", "No", "OFF", " "])
def test_logging_is_switched_off(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(PREFIX + "ENABLE_LOGGING", value)
    assert load_config().enable_logging is False


def refusal(*flags: str | None) -> str:
    with pytest.raises(ValueError) as caught:  # the tests check the text
        load_config(*flags)
    return str(caught.value)


NO_DIRECTORY = ["/no/such/project", "/etc/passwd", "~no-such-user/x", "x" * 300]


@each_row("given", NO_DIRECTORY)
def test_missing_project_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    said = refusal(given)
    assert f"{PREFIX}PROJECT_DIR" in said
    assert repr(given) in said
    monkeypatch.setenv(PREFIX + "PROJECT_DIR", given)
    assert refusal() == said


@each_row(("variable", "place"), [("SESSIONS_DIR", 1), ("AGENTS_DIR", 2)])
@each_row("given", ["/etc/passwd", "/etc/passwd/below", "~no-such-user/x", "x" * 300])
def test_impossible_directory_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, place: int, given: str
) -> None:
    flags: list[str | None] = [None, None, None]
    flags[place] = given
    said = refusal(*flags)
    assert PREFIX + variable in said
    assert repr(given) in said
    monkeypatch.setenv(PREFIX + variable, given)
    assert refusal() == said


def test_circular_links_are_not_a_directory(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert str(tmp_path / "a") in refusal(str(tmp_path / "a"))
    assert str(tmp_path / "a") in refusal(None, str(tmp_path / "a" / "s"))


@each_row(
    "url",
    ["127.0.0.1:8765", "ftp://host", "http://", "http:///path", "http://[::1", "://host",
     "file:///etc/passwd", "nonsense"],
)  # fmt: skip
def test_url_that_is_not_http_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv(ENV_SESSION_MANAGER_URL, url)
    said = refusal()
    assert said == f"{ENV_SESSION_MANAGER_URL} is {url!r}, not an http:// or https:// URL"


@each_row("port", ["port", "99999", "0", "-1", "８０"])
def test_invalid_port_is_named(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv(ENV_SESSION_MANAGER_URL, f"http://host:{port}")
    assert refusal().endswith(f":{port}': its port is not a number from 1 to 65535")


@each_row("rest", ["?", "?x=1", "/base?x", "#", "/#part"])
def test_url_with_more_than_a_path_is_refused(monkeypatch: pytest.MonkeyPatch, rest: str) -> None:
    monkeypatch.setenv(ENV_SESSION_MANAGER_URL, f"http://manager.test{rest}")
    assert "leave out what follows the path" in refusal()


@each_row(
    "url",
    ["http://h", "https://h:443/", "http://[::1]:1/base", "HTTP://H", "http://h/a@b",
     "http://münchen.test", "http://xn--strae-oqa.de", "http://h_x-1.", "http://[fe80::1%lo]:9"],
)  # fmt: skip
def test_url_is_kept_as_it_was_given(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(ENV_SESSION_MANAGER_URL, url)
    assert load_config().session_manager_url == url


def test_invalid_switch_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "ENABLE_LOGGING", "maybe")
    assert refusal() == f"{PREFIX}ENABLE_LOGGING is 'maybe', neither true nor false"


def test_read_only_checkout_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = tmp_path.resolve() / "checkout"
    checkout.mkdir(mode=0o555)
    monkeypatch.chdir(checkout)
    # For root nothing is read-only, so `os.access` denies everything instead.
    monkeypatch.setattr(os, "access", lambda *_: False)
    config = load_config()
    assert config.sessions_dir == checkout / ".agent-orchestrator" / "agent-sessions"

"""One command, however it is called: by Python, by uv, through a symlink, or installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent_orchestrator import __version__
from tests.commands.shell import ALL, COMMANDS, DONE, LIGHT, NEED_AN_AGENT, Ended, Shell
from tests.support.environment import BIN

UV_SECONDS = 100.0
"""uv may have to fetch what the header names."""

CERTIFICATES = ("SSL_CERT_DIR", "SSL_CERT_FILE")
"""How this machine reaches the index, where that is not the usual way."""

HEADER = re.compile(r"^# /// script$\n(?P<content>(?:^#(?: .*)?$\n)+)^# ///$", re.MULTILINE)

HEAVY = ("claude_agent_sdk", "fastapi", "psutil", "sqlalchemy", "stamina", "yaml")


def header_of(command: str) -> dict[str, object]:
    """What a command's file tells `uv run --script`, read as PEP 723 says."""
    found = HEADER.search((COMMANDS / command).read_text())
    assert found is not None
    return tomllib.loads(re.sub(r"^# ?", "", found["content"], flags=re.MULTILINE))


def packages_of(command: str) -> set[str]:
    dependencies = header_of(command)["dependencies"]
    assert isinstance(dependencies, list)
    return {re.split(r"[<>=]", dependency)[0] for dependency in dependencies}


@pytest.mark.parametrize("command", ALL)
def test_a_command_is_an_executable_file_that_uv_runs(command: str) -> None:
    file = COMMANDS / command
    assert os.access(file, os.X_OK)
    assert file.read_text().startswith("#!/usr/bin/env -S uv run --quiet --script\n")
    assert header_of(command)["requires-python"] == ">=3.11"


def test_every_command_of_the_plugin_is_here_and_installed() -> None:
    assert {path.name for path in COMMANDS.glob("ao-*")} == set(ALL)
    assert {path.name for path in BIN.glob("ao-*")} == set(ALL)


def test_only_what_drives_an_agent_pulls_its_sdk() -> None:
    with_sdk = {command for command in ALL if "claude-agent-sdk" in packages_of(command)}
    assert with_sdk == set(NEED_AN_AGENT)
    for command in LIGHT:
        assert packages_of(command) <= {"click", "httpx", "psutil", "pyyaml"}


def imported_by(shell: Shell, arguments: Sequence[str]) -> set[str]:
    """The top-level names of all that a Python process imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        cwd=shell.directory,
        env=shell.environment,
        text=True,
        timeout=60,
        check=True,
    )
    names = (line.rpartition("|")[2].strip() for line in done.stderr.splitlines())
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("command", LIGHT)
def test_a_light_command_imports_nothing_heavy(shell: Shell, command: str) -> None:
    """Of rich no more than httpx itself imports where it is installed."""
    assert shell.run("ao-new", "x", "--executor", "command", "--", "echo", "hi").exit_code == DONE
    takes_a_session = command in ("ao-clean", "ao-get-result", "ao-status")
    imported = imported_by(shell, [str(COMMANDS / command), *(["x"] if takes_a_session else [])])
    assert imported & set(HEAVY) == set()
    if "rich" in imported:
        assert "rich" in imported_by(shell, ["-c", "import httpx"])


@pytest.mark.parametrize("command", ALL)
def test_an_installed_command_is_the_same_one(shell: Shell, command: str) -> None:
    done = subprocess.run(
        [command, "--version"],
        capture_output=True,
        cwd=shell.directory,
        env=shell.environment,
        executable=BIN / command,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{command} {__version__}\n", "")


def test_installed_commands_run_a_session(shell: Shell) -> None:
    script = "ao-new x -p hi --executor command -- cat && ao-status x && ao-get-result x"
    done = subprocess.run(
        ["sh", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=shell.directory,
        env=shell.environment,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "hi\nfinished\nhi\n", "")


def test_a_symlink_in_another_directory_finds_what_the_command_needs(
    shell: Shell, tmp_path: Path
) -> None:
    link = tmp_path / "bin" / "ao-new"
    link.parent.mkdir()
    link.symlink_to(COMMANDS / "ao-new")
    done = subprocess.run(
        [sys.executable, str(link), "x", "-p", "hi", "--executor", "command", "--", "cat"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=shell.directory,
        env=shell.environment,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "hi\n", "")
    assert shell.run("ao-status", "x") == Ended(DONE, "finished\n", "")


def test_uv_runs_the_script_through_a_symlink_on_the_path(shell: Shell, tmp_path: Path) -> None:
    """Skipped where uv has neither a cache nor a way to the index."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "uv").symlink_to(BIN / "uv")
    (tools / "ao-list-sessions").symlink_to(COMMANDS / "ao-list-sessions")
    trusted = {name: os.environ[name] for name in CERTIFICATES if name in os.environ}
    environment = {
        **shell.environment,
        **trusted,
        "PATH": os.pathsep.join([str(tools), "/usr/bin", "/bin"]),
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
    }
    done = subprocess.run(
        ["ao-list-sessions", "--here", "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=shell.directory,
        env=environment,
        executable=tools / "ao-list-sessions",
        text=True,
        timeout=UV_SECONDS,
        check=False,
    )
    if re.search(r"Failed to fetch|error sending request|dns error", done.stderr):
        pytest.skip(f"uv cannot reach the index: {done.stderr.splitlines()[0]}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")

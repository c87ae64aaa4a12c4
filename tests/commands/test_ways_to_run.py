"""Ways to run a command: by Python, by uv, through a symlink, or installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import distribution, requires
from pathlib import Path
from uuid import uuid4

from packaging.requirements import Requirement

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.machine.environment import outbox_dir
from agent_orchestrator.outbox.files import list_outboxes
from agent_orchestrator.outbox.outbox import Outbox, Run
from tests.commands.command_names import (
    ALL,
    COMMANDS,
    LIGHT,
    NEED_A_MANAGER,
    NEED_A_RUN,
    NEED_AN_AGENT,
    arguments_of,
    module_of,
)
from tests.commands.detached_session import start_detached
from tests.commands.shell import DONE, FAILED, Ended, Shell
from tests.support.environment import BIN
from tests.support.gate import Gate
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.waiting import wait_for

SHEBANG = (
    "#!/usr/bin/env -S sh -c 'exec uv run --no-config --frozen --exact --no-build --quiet "
    """--script "$(realpath "$0")" "$@"'"""
)
"""uv looks for the lock next to the path that it is given, so a symlink must be resolved."""

HEADER = re.compile(r"^# /// script$\n(?P<content>(?:^#(?: .*)?$\n)+)^# ///$", re.MULTILINE)

HEAVY = ("claude_agent_sdk", "fastapi", "psutil", "sqlalchemy", "sqlite3", "yaml")


def header_of(command: str) -> dict[str, object]:
    """Return the PEP 723 metadata in a command's file, which `uv run --script` reads."""
    found = HEADER.search((COMMANDS / command).read_text())
    assert found is not None
    return tomllib.loads(re.sub(r"^# ?", "", found["content"], flags=re.MULTILINE))


def packages_of(command: str) -> set[str]:
    dependencies = header_of(command)["dependencies"]
    assert isinstance(dependencies, list)
    return {re.split(r"[<>=]", dependency)[0] for dependency in dependencies}


@each_row("command", ALL)
def test_a_command_is_an_executable_file_that_uv_runs(command: str) -> None:
    file = COMMANDS / command
    assert os.access(file, os.X_OK)
    assert file.read_text().startswith(f"{SHEBANG}\n")
    assert header_of(command)["requires-python"] == ">=3.11"


def test_every_command_of_the_plugin_is_here_and_installed() -> None:
    files = {path.name for path in COMMANDS.glob("ao*")}
    assert files == {*ALL, *(f"{command}.lock" for command in ALL)}
    assert {path.name for path in BIN.glob("ao*")} == set(ALL)


def test_only_commands_that_run_agents_require_the_sdk() -> None:
    with_sdk = {command for command in ALL if "claude-agent-sdk" in packages_of(command)}
    assert with_sdk == {"ao", *NEED_AN_AGENT}
    for command in LIGHT:
        assert packages_of(command) <= {"click", "httptools", "httpx", "psutil", "pyyaml"}


def imported_by(shell: Shell, arguments: Sequence[str]) -> set[str]:
    """Return the top-level names of all modules that a Python process imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        cwd=shell.directory,
        env=shell.environment,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (DONE, FAILED), done.stderr
    names = (line.rpartition("|")[2].strip() for line in done.stderr.splitlines())
    return {name.partition(".")[0] for name in names}


def assert_light(shell: Shell, imported: set[str]) -> None:
    """Check that nothing heavy was imported, and rich only if httpx itself imports it."""
    assert imported & set(HEAVY) == set()
    if "rich" in imported:
        assert "rich" in imported_by(shell, ["-c", "import httpx"])


def deliver_leftovers(shell: Shell, manager: RunningManager) -> None:
    """Wait until no outbox of an earlier run is left; any command would deliver it first."""

    def is_delivered() -> bool:
        if any(outbox_dir(manager.state_dir).glob("*.lock")):
            shell.run("ao-list-sessions")
        return not any(outbox_dir(manager.state_dir).glob("*.lock"))

    wait_for(is_delivered, "the outboxes of earlier runs are delivered")


@each_row("command", LIGHT)
def test_light_command_imports_nothing_heavy(
    shell: Shell, manager: RunningManager, records: ManagerClient, tmp_path: Path, command: str
) -> None:
    deliver_leftovers(shell, manager)
    finished_session(records, tmp_path)
    arguments = [str(COMMANDS / command), *arguments_of(command)]
    assert_light(shell, imported_by(shell.at(tmp_path), arguments))


def finished_session(records: ManagerClient, project: Path) -> str:
    """Create a finished session `x` with an answer in this project; return its id."""
    session_id = uuid4().hex
    said = [{"type": "text", "text": "hi"}]
    records.create_named_session(session_id, "x", project_dir=str(project), executor="command")
    message = {"event_type": "message", "role": "assistant", "content": said}
    records.append_events(session_id, [message, {"event_type": "session_stop", "exit_code": 0}])
    return session_id


def test_light_command_imports_nothing_heavy_while_sessions_run(
    shell: Shell, records: ManagerClient, started: Path, gate: Gate
) -> None:
    """The supervisors deliver these outboxes, so a command leaves them alone."""
    start_detached(shell, "y", started, gate)
    finished_session(records, shell.directory)
    assert list_outboxes(outbox_dir(shell.state_dir)) != []
    for command in ("ao-get-result", "ao-list-sessions", "ao-logs", "ao-send", "ao-status"):
        arguments = ["y", "-p", "hi"] if command == "ao-send" else arguments_of(command)
        assert_light(shell, imported_by(shell, [str(COMMANDS / command), *arguments]))


def test_installed_commands_are_those_of_the_plugin() -> None:
    installed = {
        script.name: script.value
        for script in distribution("agent-orchestrator").entry_points
        if script.group == "console_scripts" and script.name.startswith("ao")
    }
    assert installed == {
        command: f"agent_orchestrator.cli.{module_of(command)}:main" for command in ALL
    }
    for command in ALL:
        imported = f"from lib.cli.{module_of(command)} import main"
        assert imported in (COMMANDS / command).read_text()


def test_installed_commands_run_a_session(shell: Shell) -> None:
    script = "ao-new x -p hi --executor command -- cat && ao-status x && ao-get-result x"
    done = shell.run_program("sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hi\nfinished\nhi\n", b"")


def test_command_runs_through_a_symlink_in_another_directory(shell: Shell, tmp_path: Path) -> None:
    link = tmp_path / "bin" / "ao-new"
    link.parent.mkdir()
    link.symlink_to(COMMANDS / "ao-new")
    arguments = ("x", "-p", "hi", "--executor", "command", "--", "cat")
    done = shell.run_program(sys.executable, str(link), *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hi\n", b"")
    assert shell.run("ao-status", "x") == Ended(DONE, "finished\n", "")


def closure_of(packages: Iterable[str]) -> set[str]:
    """Return these distributions and all their dependencies on this machine."""
    found: set[str] = set()
    unvisited = [Requirement(package) for package in packages]
    while unvisited:
        wanted = unvisited.pop()
        if wanted.name not in found:
            found.add(wanted.name)
            needed = [Requirement(text) for text in requires(wanted.name) or []]
            unvisited += [r for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def python_with(directory: Path, packages: Iterable[str]) -> Path:
    """Create an environment with only these packages and their dependencies, as uv does."""
    make = [
        str(BIN / "uv"),
        "venv",
        "--quiet",
        "--offline",
        "--python",
        sys.executable,
        str(directory),
    ]
    subprocess.run(make, check=True, timeout=60, env={"PATH": "/usr/bin:/bin", "HOME": "/nowhere"})
    (site,) = directory.glob("lib/python*/site-packages")
    for name in closure_of(packages):
        files = distribution(name).files or []
        for part in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            if not (site / part).exists():
                (site / part).symlink_to(Path(str(distribution(name).locate_file(part))))
    return directory / "bin" / "python"


@each_row("packages", sorted({tuple(sorted(packages_of(command))) for command in ALL}))
def test_commands_need_only_the_packages_of_their_headers(
    shell: Shell, records: ManagerClient, tmp_path: Path, packages: tuple[str, ...]
) -> None:
    python = python_with(tmp_path / "lean", packages)
    for command in ALL:
        if packages_of(command) == set(packages):
            project = tmp_path / command
            project.mkdir()
            own = replace(shell, python=(str(python),), directory=project)
            check_with_a_lean_python(own, records, command)


def check_with_a_lean_python(shell: Shell, records: ManagerClient, command: str) -> None:
    session_id = finished_session(records, shell.directory)
    left = outbox_dir(shell.state_dir) / f"{session_id}.1.db"
    with Outbox(left, Run(session_id=session_id, run=1, url=records.base_url)) as outbox:
        outbox.add({"event_type": "diagnostic", "event_id": session_id, "run": 1})
    arguments = arguments_of(command)
    if command == "ao-new":
        arguments = ["y", "--executor", "command", "--", "true"]
    if command == "ao-resume":
        arguments = ["x", "--project-dir", ".", "--", "true"]
    ended = shell.run(command, *arguments)
    assert "internal error in" not in ended.stderr
    assert ended.exit_code == (FAILED if command in ("ao-doctor", *NEED_A_RUN) else DONE), ended
    assert left.exists() == (command not in (*NEED_A_MANAGER, *NEED_AN_AGENT))
    for path in left.parent.glob(f"{session_id}.1.*"):  # the outbox and its lock
        path.unlink()

"""Ways to run a command: by Python, by uv, through a symlink, or installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from importlib.metadata import distribution, requires
from pathlib import Path

from packaging.requirements import Requirement

from agent_orchestrator import __version__
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
from tests.commands.finished_session import finished_session
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

HEAVY = {"claude_agent_sdk", "fastapi", "psutil._common", "sqlalchemy", "sqlite3", "yaml"}
"""Modules that are loaded, and not only prepared to be loaded on their first use."""


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


RUN_EACH = """
import json, os, runpy, sys
sys.argv, commands = ["-"], json.loads(sys.argv[1])
kept, told = os.dup(1), {}
for command in commands:
    sys.argv = command
    try:
        runpy.run_path(command[0], run_name="__main__")
    except SystemExit as ended:
        assert ended.code in (None, 0, 1), (command, ended.code)
    told[command[0]] = [*sys.modules]
with open(kept, "w") as file:
    file.write("\\n" + json.dumps(told))
"""
"""Runs commands in one process; its last line has the modules that each has, or had before."""


def imported_by(shell: Shell, commands: Sequence[tuple[str, ...]]) -> dict[str, set[str]]:
    """Run commands in a new Python, and return the modules that each has, or had before."""
    given = json.dumps([[str(COMMANDS / name), *arguments] for name, *arguments in commands])
    told = json.loads(shell.output_of(RUN_EACH, given).splitlines()[-1])
    return {Path(name).name: set(modules) for name, modules in told.items()}


def assert_light(shell: Shell, *commands: tuple[str, ...]) -> None:
    """Check that nothing heavy is imported, and rich only if httpx itself imports it."""
    found = imported_by(shell, commands)
    assert {name: names & HEAVY for name, names in found.items() if names & HEAVY} == {}
    with_rich = [name for name, names in found.items() if "rich" in names]
    if with_rich:
        assert "True" in shell.output_of("import httpx, sys; print('rich' in sys.modules)"), (
            with_rich
        )


def deliver_leftovers(shell: Shell, manager: RunningManager) -> None:
    """Wait until no outbox of an earlier run is left; any command would deliver it first."""

    def is_delivered() -> bool:
        if any(outbox_dir(manager.state_dir).glob("*.lock")):
            shell.run("ao-list-sessions")
        return not any(outbox_dir(manager.state_dir).glob("*.lock"))

    wait_for(is_delivered, "the outboxes of earlier runs are delivered")


def test_light_command_imports_nothing_heavy(
    shell: Shell, manager: RunningManager, records: ManagerClient
) -> None:
    deliver_leftovers(shell, manager)
    finished_session(records, shell.directory)
    last = ("ao-rename", "ao-clean")  # the others need the session
    names = sorted(LIGHT, key=lambda name: name in last and last.index(name) + 1)
    assert_light(shell, *((name, *arguments_of(name)) for name in names[:-1]), (last[1], "y"))


def test_light_command_imports_nothing_heavy_while_sessions_run(
    shell: Shell, records: ManagerClient, started: Path, gate: Gate
) -> None:
    """The supervisors deliver these outboxes, so a command leaves them alone."""
    start_detached(shell, "y", started, gate)
    finished_session(records, shell.directory)
    assert list_outboxes(outbox_dir(shell.state_dir)) != []
    names = ("ao-get-result", "ao-list-sessions", "ao-logs", "ao-status")
    to_it = ("ao-send", "y", "-p", "hi")
    assert_light(shell, *((name, *arguments_of(name)) for name in names), to_it)


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


def test_command_runs_through_a_symlink_in_another_directory(shell: Shell, tmp_path: Path) -> None:
    link = tmp_path / "bin" / "ao-new"
    link.parent.mkdir()
    link.symlink_to(COMMANDS / "ao-new")
    done = shell.run_program(sys.executable, str(link), "--version")
    said = f"ao-new {__version__}\n".encode()
    assert (done.returncode, done.stdout, done.stderr) == (DONE, said, b"")


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


FORK_EACH = """
import json, os, runpy, sys
commands = sys.argv[1]
sys.path.insert(0, commands)
import lib.console.command
del sys.path[0]
for line in sys.stdin:
    command, directory, *arguments = json.loads(line)
    outputs = [os.memfd_create(name) for name in ("stdout", "stderr")]
    if os.fork() == 0:
        for number, output in enumerate((os.open(os.devnull, os.O_RDONLY), *outputs)):
            os.dup2(output, number)
        os.chdir(directory)
        sys.path.insert(0, commands)
        sys.argv = [os.path.join(commands, command), *arguments]
        runpy.run_path(sys.argv[0], run_name="__main__")
        sys.exit()
    code = os.waitstatus_to_exitcode(os.wait()[1])
    told = [code, *(os.pread(output, 10**6, 0).decode() for output in outputs)]
    print(json.dumps(told), flush=True)
"""
"""Runs a command for each line, in a fork of a Python that has imported what all of them use."""


@each_row("packages", sorted({tuple(sorted(packages_of(command))) for command in ALL}))
def test_commands_need_only_the_packages_of_their_headers(
    shell: Shell, records: ManagerClient, tmp_path: Path, packages: tuple[str, ...]
) -> None:
    python = python_with(tmp_path / "lean", packages)
    with subprocess.Popen(
        [python, "-c", FORK_EACH, str(COMMANDS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=shell.environment,
        text=True,
    ) as lean:
        for command in ALL:
            if packages_of(command) == set(packages):
                project = tmp_path / command
                project.mkdir()
                check_with_a_lean_python(lean, shell.at(project), records, command)


def check_with_a_lean_python(
    lean: subprocess.Popen[str], shell: Shell, records: ManagerClient, command: str
) -> None:
    session_id = finished_session(records, shell.directory)
    left = outbox_dir(shell.state_dir) / f"{session_id}.1.db"
    with Outbox(left, Run(session_id=session_id, run=1, url=records.base_url)) as outbox:
        outbox.add({"event_type": "diagnostic", "event_id": session_id, "run": 1})
    arguments = arguments_of(command)
    if command == "ao-new":
        arguments = ["y", "--executor", "command", "--", "true"]
    if command == "ao-resume":
        arguments = ["x", "--project-dir", ".", "--", "true"]
    assert lean.stdin is not None and lean.stdout is not None  # they are pipes
    lean.stdin.write(json.dumps([command, str(shell.directory), *arguments]) + "\n")
    lean.stdin.flush()
    ended = Ended(*json.loads(lean.stdout.readline()))
    assert "internal error in" not in ended.stderr
    assert ended.exit_code == (FAILED if command in ("ao-doctor", *NEED_A_RUN) else DONE), ended
    assert left.exists() == (command not in (*NEED_A_MANAGER, *NEED_AN_AGENT))
    for path in left.parent.glob(f"{session_id}.1.*"):  # the outbox and its lock
        path.unlink()

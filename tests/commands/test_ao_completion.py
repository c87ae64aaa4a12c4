"""`ao-completion`: the words that the Tab key offers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.console.command_table import NAMES
from tests.commands.shell import DONE, USAGE, Ended, Shell, call, main_of
from tests.commands.test_ways_to_run import imported_by
from tests.support.rows import each_row

COMPLETE = """\
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(( $# - 1 ))
_ao
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def complete(shell: Shell, tmp_path: Path) -> Callable[..., list[str]]:
    """Return a function that completes the last of some words as bash does."""
    script = tmp_path / "completion.bash"
    script.write_text(call("ao-completion", "bash").stdout)

    def complete(*words: str) -> list[str]:
        given = ("bash", "--norc", "-c", COMPLETE, "bash", str(script), *words)
        done = shell.run_program(*given)
        assert (done.returncode, done.stderr) == (DONE, b"")
        return [word for word in done.stdout.decode().splitlines() if word]

    return complete


def test_bash_completes_commands_options_and_names(
    complete: Callable[..., list[str]],
    records: ManagerClient,
    project: Path,
    new_id: Callable[[], str],
) -> None:
    for name in ("fix login", "$(touch forged)", "plain"):
        records.create_named_session(new_id(), name, project_dir=str(project))
    agent = project / ".claude" / "agents" / "reviewer.md"
    agent.parent.mkdir(parents=True)
    agent.write_text("---\nname: reviewer\ndescription: d\n---\n")
    for line, expected in (
        ("ao lo", ["logs"]),
        ("ao help sta", ["status"]),
        ("ao logs --fo", ["--follow"]),
        ("ao-list-sessions --state f", ["finished", "failed"]),
        ("ao completion z", ["zsh"]),
        ("ao-new x --agent re", ["reviewer"]),
        ("ao stop p", ["plain"]),
        ("ao-logs -n 5 p", ["plain"]),
        ("ao-clean plain fix", ["fix\\ login"]),
        ("ao-logs $", ["\\$\\(touch\\ forged\\)"]),
        ("ao-logs two", []),
        ("ao-dashboard --project-dir .cl", [".claude"]),
        ("ao-wait --timeout ", []),
    ):
        assert complete(*line.split(" ")) == expected, line
    assert list(project.iterdir()) == [project / ".claude"]


def test_names_are_quick_and_silent_without_a_manager(shell: Shell, records: ManagerClient) -> None:
    imported = imported_by(shell, [("ao-completion", "--list", "sessions")])["ao-completion"]
    assert "click" in imported and "httpx._client" not in imported
    for url in (None, "http://127.0.0.1:9", "nonsense"):
        alone = shell.having(
            AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=url,
            AGENT_ORCHESTRATOR_PORT="9",
            AGENT_ORCHESTRATOR_STATE_DIR="state",
        )
        assert alone.run("ao-completion", "--list", "sessions") == Ended(DONE, "", "")
    assert call("ao-completion").exit_code == USAGE


@each_row("name", ["bash", "fish", "zsh"])
def test_script_has_every_command_with_its_options(name: str) -> None:
    script = call("ao-completion", name).stdout
    for command in NAMES:
        assert f"ao-{command}" in script
        for option in main_of(f"ao-{command}").params:
            for flag in option.opts if option.param_type_name == "option" else ():
                in_fish = f"-l {flag[2:]} " if flag.startswith("--") else f"-s {flag[1:]} "
                assert (in_fish if name == "fish" else flag) in script, (command, flag)
    if shutil.which(name) is not None:
        read = subprocess.run([name, "-n"], input=script.encode(), capture_output=True, check=False)
        assert (read.returncode, read.stderr) == (0, b"")

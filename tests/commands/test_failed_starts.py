"""Commands that cannot start a manager: no usable state directory, or no manager installed."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.commands.shell import DONE, FAILED, Ended, Shell
from tests.support.manager import RunningManager
from tests.support.namespaces import on_required_disk


def test_failed_manager_start_is_reported_with_its_last_log_line(
    lonely: Shell, state_dir: Path
) -> None:
    (state_dir / "sessions.db").mkdir(parents=True)
    state_dir.chmod(0o700)
    ended = lonely.run("ao-list-sessions")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    log = state_dir / "manager-8765.log"
    last = log.read_text().strip().splitlines()[-1]
    assert ended.stderr == (
        f"ao-list-sessions: the session manager did not start: {last} (log: {log})\n"
    )
    assert re.search(r"sessions\.db", last)


def test_impossible_state_directory_is_named(lonely: Shell) -> None:
    nowhere = lonely.having(AGENT_ORCHESTRATOR_STATE_DIR="/dev/null/state")
    assert nowhere.run("ao-list-sessions") == Ended(
        FAILED,
        "",
        "ao-list-sessions: cannot use the state directory /dev/null/state: Not a directory\n",
    )


def test_state_directory_open_to_others_is_refused_with_advice(
    lonely: Shell, state_dir: Path
) -> None:
    state_dir.mkdir(parents=True)
    state_dir.chmod(0o755)
    ended = lonely.run("ao-list-sessions")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert f"{state_dir}: it is open to others: chmod 700 {state_dir}" in ended.stderr


@pytest.mark.parametrize("needed", ["runs", "outbox"])
def test_run_on_a_full_disk_fails_and_names_it(
    shell: Shell, manager: RunningManager, needed: str
) -> None:
    """The supervisor cannot write its reason to a log on the same disk."""
    directory = shell.state_dir / needed
    directory.mkdir(mode=0o700, exist_ok=True)
    full = on_required_disk(directory, "nr_inodes=1", [])
    ended = replace(shell, prefix=tuple(full)).run("ao-new", "x", "--executor", "command", "true")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert str(directory) in ended.stderr and "No space left on device" in ended.stderr
    assert shell.run("ao-wait", "x").stdout == "x failed\n"


def lean_python(directory: Path, packages: Sequence[str]) -> Path:
    """Create an environment with only these packages, as on a machine with only the plugin."""
    make = [sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(directory)]
    subprocess.run(make, check=True, timeout=60)
    (site,) = directory.glob("lib/python*/site-packages")
    for name in packages:
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        source = Path(spec.origin)
        source = source.parent if source.name == "__init__.py" else source
        (site / source.name).symlink_to(source)
    return directory / "bin" / "python"


LIGHT_PACKAGES = (
    *("anyio", "certifi", "click", "h11", "httpcore", "httptools", "httpx", "idna"),
    "typing_extensions",
)


def test_plugin_alone_names_or_uses_a_manager(lonely: Shell, tmp_path: Path) -> None:
    """The light commands need only click, httpx and httptools. None of these starts a manager."""
    python = lean_python(tmp_path / "lean", LIGHT_PACKAGES)
    plugin = replace(lonely, python=(str(python),)).having(PATH="/usr/bin:/bin")
    for command in ("ao-list-sessions", "ao-status"):
        arguments = ["x"] if command == "ao-status" else []
        assert plugin.run(command, *arguments) == Ended(
            FAILED,
            "",
            f"{command}: no session manager answers at http://127.0.0.1:8765 and none is installed "
            "here. Install and start one with: pip install agent-orchestrator && "
            "agent-session-manager serve (or name one in AGENT_ORCHESTRATOR_SESSION_MANAGER_URL)\n",
        )
    assert plugin.run("ao-show-config").exit_code == DONE
    assert plugin.run("ao-list-agents") == Ended(DONE, "", "")

    lonely.run("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
    assert plugin.run("ao-list-sessions").exit_code == DONE
    assert plugin.run("ao-status", "x") == Ended(DONE, "finished\n", "")
    assert plugin.run("ao-get-result", "x") == Ended(DONE, "hi\n", "")
    assert plugin.run("ao-clean", "x").exit_code == DONE

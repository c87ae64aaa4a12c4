"""Runs of `agent-session-manager` to its end, also with a small or a read-only disk."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.environment import scrubbed_environment
from tests.support.forked_command import run_forked
from tests.support.namespaces import require_own_disk

Ran = subprocess.CompletedProcess[str]


def run(
    home: Path, *arguments: str, variables: dict[str, str] | None = None, state: Path | None = None
) -> Ran:
    """Run `agent-session-manager` to its end, on `state` or on the default directory of `home`."""
    of_state = {} if state is None else {"AGENT_ORCHESTRATOR_STATE_DIR": str(state)}
    environment = {**scrubbed_environment(home), **of_state, **(variables or {})}
    return run_forked(list(arguments), environment)


def assert_failed(ran: Ran, code: int, *words: str) -> None:
    """Check for one error line on stderr, nothing on stdout, and no traceback."""
    assert (ran.returncode, ran.stdout) == (code, "")
    said = [line for line in ran.stderr.splitlines() if line.startswith("agent-session-manager: ")]
    assert len(said) == 1, ran.stderr
    for word in words:
        assert word in said[0]
    assert "Traceback" not in ran.stderr


def run_on_own_disk(
    disk: Path, options: str, arguments: Sequence[str], environment: dict[str, str]
) -> Ran:
    """Run `agent-session-manager` to its end with a disk mounted at `disk`, or skip the test.

    The names of the files on the disk follow the output.
    """
    require_own_disk()
    disk.mkdir()
    return run_forked(list(arguments), environment, (disk, options))

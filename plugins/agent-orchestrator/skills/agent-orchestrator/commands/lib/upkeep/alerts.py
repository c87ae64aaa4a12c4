"""The check of alerts by `ao-doctor`: targets that fail or are disabled.

The state of the alerts is in the database of the manager, whose own program reads it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..client.connection.start_manager import StartError, find_program
from ..machine.environment import manager_environment
from ..shared.plurals import counted
from .checks import Finding

LIST = "agent-session-manager notify list"
TEST = "agent-session-manager notify test"
TARGETS = "notify.json"
"""File of the targets in the state directory, which the manager's program writes."""
READ_SECONDS = 60.0


def check_alerts(state: Path) -> Iterator[Finding]:
    """Check that the targets of alerts take them, if there are targets."""
    if not (state / TARGETS).exists():
        return
    about = "alerts"
    try:
        listed = subprocess.run(
            [find_program(), "notify", "list", "--json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=manager_environment(),
            timeout=READ_SECONDS,
            check=False,
        )
        targets = json.loads(listed.stdout) if listed.returncode == 0 else None
    except StartError:
        yield Finding(about=about, text="the program of the manager is not installed here")
        return
    except (OSError, ValueError, subprocess.TimeoutExpired) as exc:
        text = f"cannot read the targets: {exc}"
        yield Finding(about=about, text=text, advice=f"see: {LIST}")
        return
    if targets is None:
        yield Finding(about=about, text=listed.stderr, advice=f"see: {LIST}")
        return
    for target in targets:
        yield _finding(about, target)


def _finding(about: str, target: dict[str, Any]) -> Finding:
    name, waiting, given_up = target["name"], target["waiting"], target["given_up"]
    if target["disabled"]:
        text = f"target {name} is disabled: {target['disabled']}"
    elif target["error"] and (waiting or given_up):
        text = (
            f"target {name}: {counted(waiting, 'alert')} waiting, {given_up} given up; "
            f"last error: {target['error']}"
        )
    else:
        return Finding(about=about, text=f"target {name}: {counted(waiting, 'alert')} waiting")
    return Finding(about=about, text=text, advice=f"try it: {TEST} {name}")

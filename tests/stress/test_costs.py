"""The time that commands take: to start a supervised run, and for a whole run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.commands.command_names import COMMANDS
from tests.commands.shell import DONE
from tests.stress.scene import Scene, timed
from tests.support.campaign import Campaign, spread

pytestmark = [pytest.mark.stress, pytest.mark.only_long]

PROGRAM = ("--executor", "command", "--", "true")


def test_commands_report_their_duration(campaign: Campaign, scene: Scene) -> None:
    count = campaign.count(short=1, long=20)
    detached, followed, status, imports = [], [], [], {}
    for number in range(count):
        seconds, ended = timed(lambda n=number: scene.shell.run("ao-new", f"d{n}", "-d", *PROGRAM))  # type: ignore[misc]
        assert ended.exit_code == DONE
        detached.append(seconds)
        scene.await_end(ended.stdout.strip())
    for number in range(count):
        seconds, ended = timed(lambda n=number: scene.shell.run("ao-new", f"f{n}", *PROGRAM))  # type: ignore[misc]
        assert ended.exit_code == DONE
        followed.append(seconds)
    for _ in range(count):
        seconds, ended = timed(lambda: scene.shell.run("ao-status", "f0"))
        assert ended.stdout == "finished\n"
        status.append(seconds)
    for module in ("httpx", "lib.cli.status", "lib.cli.new", "lib.runs.supervision.supervisor"):
        imports[module] = min(_import_seconds(module) for _ in range(count))
    campaign.tell(f"ao-new --detach: {spread(detached)}")
    campaign.tell(f"ao-new of `true`, until its end is printed: {spread(followed)}")
    campaign.tell(f"ao-status: {spread(status)}")
    campaign.tell(
        "share of imports, minimum: "
        + ", ".join(f"{module} {seconds * 1000:.0f} ms" for module, seconds in imports.items())
    )


def _import_seconds(module: str) -> float:
    source = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); begin = time.perf_counter(); "
        f"import {module}; print(time.perf_counter() - begin)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, str(COMMANDS)], capture_output=True, check=True, text=True
    )
    return float(done.stdout)

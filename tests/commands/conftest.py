from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.claude.conftest import OFFLINE
from tests.commands.shell import Gate, Shell, stop_manager
from tests.support.environment import scrubbed_environment
from tests.support.manager import RunningManager
from tests.support.model_server import ModelServer, start_model_server
from tests.support.own_network import in_own_network
from tests.support.waiting import WATCHDOG_SECONDS

NO_WAY_OUT = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
"""Whatever else than the stand-in model is to be reached is asked of a proxy that is not there."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of this test's own, so that its sessions' names are."""
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


@pytest.fixture
def shell(manager: RunningManager, project: Path, own_home: Path) -> Iterator[Shell]:
    """A shell in the project, where the module's manager is the configured one."""
    environment = {**manager.environment(), "HOME": str(own_home)}
    opened = Shell(directory=project, environment=environment)
    yield opened
    opened.close()


@pytest.fixture
def records(manager: RunningManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagerClient]:
    """What the module's manager knows."""
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    with ManagerClient(manager.url) as client:
        yield client


@pytest.fixture(scope="module")
def running_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with start_model_server(tmp_path_factory.mktemp("model") / "requests.jsonl") as server:
        yield server


@pytest.fixture
def claude(shell: Shell, model: ModelServer, own_home: Path) -> Shell:
    """A shell whose person has Claude Code, is logged in, and lets it use tools."""
    let_tools_run(own_home)
    return shell.having(
        ANTHROPIC_API_KEY="sk-ant-dummy", ANTHROPIC_BASE_URL=model.url, **OFFLINE, **NO_WAY_OUT
    )


def let_tools_run(home: Path) -> None:
    settings = home / ".claude" / "settings.json"
    settings.parent.mkdir()
    allowed = ["Bash", "Agent", "Task"]
    settings.write_text(json.dumps({"permissions": {"allow": allowed}}))


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    made = Gate(tmp_path / "gate")
    yield made
    made.close()


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """Where programs write their pids."""
    return tmp_path / "started"


@pytest.fixture
def network() -> Iterator[tuple[str, ...]]:
    """How to enter a network of this test's own, in which nobody listens on any port."""
    command = in_own_network(["sh", "-c", "echo up; exec cat"])
    if command is None:
        pytest.skip("this machine allows no network namespace, and port 8765 may be somebody's")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None and holder.stdout is not None  # they are pipes
        assert holder.stdout.readline() == b"up\n"
        joined = ("--user", "--net", "--preserve-credentials", "--target", str(holder.pid))
        yield ("nsenter", *joined)
        holder.stdin.close()


@pytest.fixture
def own_mounts() -> tuple[str, ...]:
    """How to run something that may mount what it likes, seen by nobody else."""
    enter = ("unshare", "--map-root-user", "--mount")
    try:
        subprocess.run([*enter, "true"], check=True, capture_output=True, timeout=WATCHDOG_SECONDS)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("this machine allows no mount namespace")
    return enter


@pytest.fixture
def state_dir(own_home: Path) -> Iterator[Path]:
    """Where the state is by default; a manager that serves from there is stopped in the end."""
    directory = own_home / ".local" / "state" / "agent-orchestrator"
    yield directory
    stop_manager(directory)


@pytest.fixture
def lonely(
    network: tuple[str, ...], project: Path, own_home: Path, state_dir: Path
) -> Iterator[Shell]:
    """A shell where no manager is configured and none runs."""
    environment = scrubbed_environment(own_home)
    opened = Shell(directory=project, environment=environment, prefix=network)
    yield opened
    opened.close()

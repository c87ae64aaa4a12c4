from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.claude.conftest import OFFLINE
from tests.codex.conftest import CONFIG
from tests.commands.processes import end_noted_imports, stop_manager
from tests.commands.shell import Shell
from tests.support.environment import scrubbed_environment
from tests.support.manager import RunningManager
from tests.support.model_server import ModelServer, start_model_server
from tests.support.network_namespace import network_namespace
from tests.support.transcript_files import Transcript
from tests.support.waiting import WATCHDOG_SECONDS

NO_WAY_OUT = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
"""Proxy settings with which only the stand-in model can be reached; other requests fail."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project for this test alone, so that its session names are unique."""
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


@pytest.fixture
def shell(manager: RunningManager, project: Path, own_home: Path) -> Iterator[Shell]:
    """A shell in the project, configured to use the module's manager."""
    environment = {**manager.environment(), "HOME": str(own_home)}
    opened = Shell(directory=project, environment=environment)
    yield opened
    opened.close()


@pytest.fixture
def no_noted_import(shell: Shell) -> Iterator[None]:
    """End the imports that hooks of this test have started."""
    yield
    end_noted_imports(shell.state_dir)


@pytest.fixture
def own_shell(shell: Shell, own: RunningManager) -> Shell:
    """A shell in the project, configured to use the manager of this test alone."""
    return shell.having(**own.environment())


@pytest.fixture
def timed_manager(start_manager: Callable[..., RunningManager]) -> RunningManager:
    """A manager for this test alone, whose clock the test moves."""
    return start_manager(moves_time=True)


@pytest.fixture(scope="module")
def running_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with start_model_server(tmp_path_factory.mktemp("model") / "requests.jsonl") as server:
        yield server


@pytest.fixture
def claude(shell: Shell, model: ModelServer, own_home: Path) -> Shell:
    """A shell whose user has Claude Code, is logged in, and has allowed its tools."""
    let_tools_run(own_home)
    return shell.having(
        ANTHROPIC_API_KEY="sk-ant-dummy", ANTHROPIC_BASE_URL=model.url, **OFFLINE, **NO_WAY_OUT
    )


@pytest.fixture
def codex(shell: Shell, model: ModelServer, own_home: Path) -> Shell:
    """A shell whose user has Codex with the stand-in as its provider."""
    return shell.having(**provide_codex(own_home, model))


def provide_codex(home: Path, model: ModelServer) -> dict[str, str]:
    """Configure Codex for the stand-in, and return the variables that it needs."""
    directory = home / ".codex"
    directory.mkdir()
    config = CONFIG.format(url=json.dumps(f"{model.url}/v1"))
    (directory / "config.toml").write_text(config)
    return {"STAND_IN_KEY": "k"}


def let_tools_run(home: Path) -> None:
    settings = home / ".claude" / "settings.json"
    settings.parent.mkdir()
    allowed = ["Bash", "Agent", "Task"]
    settings.write_text(json.dumps({"permissions": {"allow": allowed}}))


@pytest.fixture
def network() -> Iterator[tuple[str, ...]]:
    """The command prefix that enters an empty network namespace, made for this test."""
    with network_namespace() as prefix:
        yield prefix


@pytest.fixture
def own_mounts() -> tuple[str, ...]:
    """The command prefix that runs a program in a private mount namespace."""
    enter = ("unshare", "--map-root-user", "--mount")
    try:
        subprocess.run([*enter, "true"], check=True, capture_output=True, timeout=WATCHDOG_SECONDS)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("this machine allows no mount namespace")
    return enter


@pytest.fixture
def state_dir(own_home: Path) -> Iterator[Path]:
    """The default state directory; a manager that serves from it is stopped after the test."""
    directory = own_home / ".local" / "state" / "agent-orchestrator"
    yield directory
    stop_manager(directory)


@pytest.fixture
def lonely(
    network: tuple[str, ...], project: Path, own_home: Path, state_dir: Path
) -> Iterator[Shell]:
    """A shell without a configured manager, and without a running one."""
    environment = scrubbed_environment(own_home)
    opened = Shell(directory=project, environment=environment, prefix=network)
    yield opened
    opened.close()


@pytest.fixture
def numbers(request: pytest.FixtureRequest) -> Callable[[], Transcript]:
    """Return a function that makes transcripts with ids of this test alone."""
    made = iter(range(abs(hash(request.node.nodeid)) % 10**9 * 1000 + 1, 10**13))
    return lambda: Transcript(next(made))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    directory = tmp_path / "agents"
    directory.mkdir()
    return directory


@pytest.fixture
def person(shell: Shell, home: Path) -> Shell:
    """A shell of a person with a home directory and a state directory of this test alone."""
    return shell.having(HOME=str(home), CLAUDE_CONFIG_DIR=None)

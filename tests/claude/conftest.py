"""The real Claude Code with the stand-in model, without any other network if possible."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.claude.executor import ClaudeExecutor
from agent_orchestrator.claude.sdk import import_sdk, leave_out_mcp
from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.base import Continuation, Execution, RunSpec
from agent_orchestrator.executors.questions import Ask
from tests.support.model_server import ModelServer, start_model_server
from tests.support.waiting import WATCHDOG_SECONDS

PATIENT_CLI = Path(__file__).parents[1] / "support" / "patient_cli.js"
OFFLINE = {
    # Long timeouts, so that the CLI does not give up on a busy machine.
    "BUN_OPTIONS": f'"--preload={PATIENT_CLI}"',
    "MCP_TIMEOUT": str(int(WATCHDOG_SECONDS * 1000)),
    # A run of a second never gains back what the optimizing compiler costs.
    "BUN_JSC_useDFGJIT": "0",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
}

SHORT_LIFE = {
    # Nor does it gain what collections of garbage cost: it ends before it needs much memory.
    "BUN_JSC_forceRAMSize": str(32 * 2**30),
    "BUN_GC_TIMER_DISABLE": "1",
}


@dataclass(frozen=True)
class Namespace:
    """Command prefixes: `enter` starts a program in a new network, `join` another one in the same.

    Both are empty if this machine does not allow network namespaces.
    """

    enter: tuple[str, ...] = ()
    join: tuple[str, ...] = ()


def _namespace() -> Namespace:
    """Return a loopback-only network namespace, if this machine allows one."""
    user = () if os.getuid() == 0 else ("--user", "--map-root-user")
    loopback = ("sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    enter = ("unshare", "--net", *user, *loopback)
    try:
        subprocess.run([*enter, "true"], check=True, capture_output=True, timeout=WATCHDOG_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return Namespace()
    join = () if os.getuid() == 0 else ("--user", "--preserve-credentials")
    return Namespace(enter, ("nsenter", "--net", *join))


@pytest.fixture(scope="session", autouse=True)
def _sdk_as_in_a_supervisor() -> None:
    """Import the SDK without `mcp`, which would take longer than a run; other tests may need it."""
    before = {*sys.modules}
    leave_out_mcp()
    import_sdk()
    for name in [name for name in sys.modules if name.partition(".")[0] == "mcp"]:
        if name not in before:
            del sys.modules[name]


@pytest.fixture(scope="session")
def namespace() -> Namespace:
    return _namespace()


@pytest.fixture(scope="session")
def running_model(
    namespace: Namespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ModelServer]:
    record = tmp_path_factory.mktemp("model") / "requests.jsonl"
    with start_model_server(record, prefix=namespace.enter) as server:
        yield server


@pytest.fixture
def cli_path(namespace: Namespace, model: ModelServer, tmp_path: Path) -> str | None:
    """Return a command that is Claude Code inside the model's network namespace."""
    if not namespace.join:
        return None
    import claude_agent_sdk

    bundled = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
    wrapper = tmp_path / "claude"
    command = [*namespace.join, "--target", str(model.pid), str(bundled)]
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    wrapper.chmod(0o755)
    return str(wrapper)


@dataclass(frozen=True)
class Claude:
    """One session of Claude Code with its own project and home."""

    execution: Execution
    cli_path: str | None
    home: Path

    @property
    def spec(self) -> RunSpec:
        return self.execution.spec

    def start(
        self, prompt: str, *, resume: bool = False, person: Ask | None = None, **changes: Any
    ) -> AsyncGenerator[Event, None]:
        """Begin a run, with fields of the execution or of its spec changed; ask a `person`."""
        of_spec = {name: changes.pop(name) for name in list(changes) if hasattr(self.spec, name)}
        execution = replace(
            self.execution,
            spec=replace(self.spec, **of_spec),
            continues=Continuation(resume=resume),
            ask=person,
            **changes,
        )
        return ClaudeExecutor(execution, cli_path=self.cli_path).run(prompt)

    async def events(self, prompt: str, **changes: Any) -> list[Event]:
        """Return all events of a run."""
        async with aclosing(self.start(prompt, **changes)) as events:
            return [event async for event in events]

    def allow(self, *tools: str) -> None:
        """Allow tools in the user's settings; the settings of an untrusted project do not count."""
        self.settings.parent.mkdir(exist_ok=True)
        self.settings.write_text(json.dumps({"permissions": {"allow": tools}}))

    @property
    def settings(self) -> Path:
        """The user's settings."""
        return self.home / ".claude" / "settings.json"

    @property
    def environment(self) -> dict[str, str]:
        return self.execution.environment


@pytest.fixture
def claude(model: ModelServer, cli_path: str | None, tmp_path: Path) -> Claude:
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "ANTHROPIC_API_KEY": "sk-ant-dummy",
        "ANTHROPIC_BASE_URL": model.url,
        **OFFLINE,
        **SHORT_LIFE,
    }
    execution = Execution(
        session_id=str(uuid.uuid4()),
        spec=RunSpec(executor="claude", project_dir=project),
        environment=environment,
    )
    return Claude(execution, cli_path, home)


@pytest.fixture
def fake_cli(tmp_path: Path) -> Callable[[str], str]:
    """Return a function that creates fake CLIs, which fail in ways that the real CLI cannot."""

    def make(script: str) -> str:
        program = tmp_path / "fake-claude"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return str(program)

    return make


def types_of(events: Sequence[Event]) -> list[str]:
    """Return the event types in order, without the usage of single requests (at any position)."""
    return [event["event_type"] for event in events if "request_id" not in event]


def bundled_cli() -> str:
    from agent_orchestrator.claude.command_line import find_cli

    return find_cli({})

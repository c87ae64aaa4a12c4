"""The real Codex with the stand-in model."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.codex.executor import CodexExecutor
from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.base import Continuation, Execution, RunSpec
from agent_orchestrator.history.format import Place, Source
from agent_orchestrator.history.formats.codex import FORMAT
from agent_orchestrator.history.items import FoundEvent, Item, ModelRequest
from tests.support.loops import run
from tests.support.model_server import ModelServer, start_model_server

CONFIG = """\
model = "gpt-5.5"
model_provider = "stand-in"
[analytics]
enabled = false
[features]
plugins = false
[model_providers.stand-in]
name = "stand-in"
base_url = {url}
env_key = "STAND_IN_KEY"
wire_api = "responses"
supports_websockets = false
request_max_retries = 1
stream_max_retries = 1
"""


@pytest.fixture(scope="session")
def running_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    record = tmp_path_factory.mktemp("model") / "requests.jsonl"
    with start_model_server(record) as server:
        yield server


@dataclass(frozen=True)
class Codex:
    """One session of Codex with its own project and home."""

    execution: Execution
    home: Path

    @property
    def spec(self) -> RunSpec:
        return self.execution.spec

    def executor(self, *, continues: Continuation | None = None, **changes: Any) -> CodexExecutor:
        """Return an executor, with fields of the execution or of its spec changed."""
        path, ask = changes.pop("codex_path", None), changes.pop("ask", None)
        of_spec = {name: changes.pop(name) for name in list(changes) if hasattr(self.spec, name)}
        execution = replace(
            self.execution,
            spec=replace(self.spec, **of_spec),
            continues=continues or Continuation(),
            ask=ask,
            **changes,
        )
        return CodexExecutor(execution, codex_path=path)

    def start(self, prompt: str, **changes: Any) -> AsyncGenerator[Event, None]:
        return self.executor(**changes).run(prompt)

    def events(self, prompt: str, **changes: Any) -> list[Event]:
        """Return all events of a run."""

        async def act() -> list[Event]:
            async with aclosing(self.start(prompt, **changes)) as events:
                return [event async for event in events]

        return run(act())

    def imported(self) -> list[Item]:
        """Return the items of all rollouts, each file in order."""
        root = self.home / ".codex" / "sessions"
        sources = sorted(FORMAT.find(root), key=lambda source: source.path)
        return [item for source in sources for item in _items(source)]


def _items(source: Source) -> Iterator[Item]:
    parser = FORMAT.parser(source, None)
    for number, line in enumerate(source.path.read_bytes().splitlines(keepends=True), 1):
        yield from parser.read(json.loads(line), Place(number, 0))


def compare(codex: Codex, events: Sequence[Event]) -> None:
    """Compare the events of runs with an import of their rollouts: both are the same."""
    items = codex.imported()
    found = [item.event for item in items if isinstance(item, FoundEvent)]
    types = ("message", "thinking", "pre_tool", "post_tool")
    recorded = [event for event in events if event["event_type"] in types]
    # The prompt is recorded before Codex has begun, and adds words of its own before it.
    assert sorted(map(_timeless, recorded)) == sorted(map(_timeless, found))
    requests = {item.key: dict(item.counts) for item in items if isinstance(item, ModelRequest)}
    assert requests == {e["request_key"]: e["usage"] for e in events if "request_key" in e}
    assert requests


def _timeless(event: Event) -> str:
    kept = {key: value for key, value in event.items() if key != "timestamp"}
    return json.dumps(kept, sort_keys=True)


@pytest.fixture
def codex(model: ModelServer, tmp_path: Path) -> Codex:
    home, project = tmp_path / "home", tmp_path / "project"
    (home / ".codex").mkdir(parents=True)
    project.mkdir()
    config = CONFIG.format(url=json.dumps(f"{model.url}/v1"))
    (home / ".codex" / "config.toml").write_text(config)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "STAND_IN_KEY": "k"}
    execution = Execution(
        session_id=str(uuid.uuid4()),
        spec=RunSpec(executor="codex", project_dir=project),
        environment=environment,
    )
    return Codex(execution, home)


def only(events: Sequence[Event], event_type: str) -> list[Event]:
    return [event for event in events if event["event_type"] == event_type]


def told(events: Sequence[Event]) -> list[Event]:
    """Return the events without usage, warnings, and words that Codex adds to the prompt."""
    left_out = ("usage", "diagnostic")
    return [e for e in events if e["event_type"] not in left_out and e.get("origin") != "system"]


def types_of(events: Sequence[Event]) -> list[str]:
    return [event["event_type"] for event in told(events)]


def text_of(event: Event) -> str:
    return "".join(block["text"] for block in event["content"])

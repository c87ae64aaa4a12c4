"""The agents that rows run: Claude Code, Codex, and the scripted agent of the protocol.

Both real agents ask a stand-in model on loopback. Each has its own home.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agent_orchestrator.codex.installation import find_codex
from benchmarks import servers
from benchmarks.answers import TIMEOUT_SECONDS
from tests.acp.conftest import PROGRAM
from tests.claude.conftest import OFFLINE
from tests.codex.conftest import CONFIG
from tests.commands.conftest import let_tools_run
from tests.support.model_server import script, start_model_server, tool

READY = "ready"
"""The answer of each agent in a run that only answers."""
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Agent:
    """One agent with its home: arguments of `ao-new`, and of the agent alone."""

    environ: Mapping[str, str]
    answers: tuple[str, ...]
    """Arguments of `ao-new` for a run that answers `READY`."""
    calls: tuple[str, ...]
    """The same for a run whose call of a tool does not end."""
    alone: tuple[str, ...]
    """Command that makes the agent answer `READY` without us."""
    stdin: str = ""


@contextmanager
def claude(environ: Mapping[str, str]) -> Iterator[Agent]:
    package = find_spec("claude_agent_sdk")
    assert package is not None and package.origin is not None  # it is in the lock
    program = str(Path(package.origin).with_name("_bundled") / "claude")
    answers = script({"text": READY})
    with _home() as home, start_model_server(home / "requests.jsonl") as model:
        let_tools_run(home)
        yield Agent(
            environ={
                **environ,
                **OFFLINE,
                "HOME": str(home),
                "ANTHROPIC_API_KEY": "sk-ant-dummy",
                "ANTHROPIC_BASE_URL": model.url,
            },
            answers=("-p", answers),
            calls=("-p", script(tool("Bash", command="sleep 3600"))),
            alone=(program, "-p", answers),
        )


@contextmanager
def codex(environ: Mapping[str, str]) -> Iterator[Agent]:
    call = tool("exec_command", cmd="sleep 3600", yield_time_ms=3_600_000)
    answers = script({"text": READY})
    with _home() as home, start_model_server(home / "requests.jsonl") as model:
        config = CONFIG.format(url=json.dumps(f"{model.url}/v1"))
        (home / "config.toml").write_text(config)
        yield Agent(
            environ={**environ, "CODEX_HOME": str(home), "STAND_IN_KEY": "k"},
            answers=("--executor", "codex", "-p", answers),
            calls=("--executor", "codex", "-p", script(call)),
            alone=(find_codex(environ), "exec", "--json", "--skip-git-repo-check", answers),
        )


@contextmanager
def acp(environ: Mapping[str, str]) -> Iterator[Agent]:
    answers = [["serve"], said(READY), ["done", {"stopReason": "end_turn"}]]
    calls = [["serve"], called("c1"), ["linger"]]
    requests: list[tuple[str, Json]] = [
        ("initialize", {"protocolVersion": 1}),
        ("session/new", {}),
        ("session/prompt", {}),
    ]
    with _home() as home:
        alone = scripted(home, answers)
        lines = [
            json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
            for number, (method, params) in enumerate(requests)
        ]
        yield Agent(
            environ=environ,
            answers=run_of(home, answers),
            calls=run_of(home, calls),
            alone=alone,
            stdin="".join(f"{line}\n" for line in lines),
        )


AGENTS: Mapping[str, Callable[[Mapping[str, str]], Any]] = {
    "claude": claude,
    "codex": codex,
    "acp": acp,
}
"""The agents by the name of their executor, each as a context."""


def run_of(home: Path, steps: list[list[Any]]) -> tuple[str, ...]:
    """Return the arguments of `ao-new` for a run of the scripted agent."""
    return ("--executor", "acp", "-p", "go", "--", *scripted(home, steps))


def scripted(home: Path, steps: list[list[Any]]) -> tuple[str, ...]:
    """Return a command that plays these steps of `tests/support/scripted_acp.py`."""
    file = home / f"{len(list(home.iterdir()))}.json"
    file.write_text(json.dumps(steps))
    return (sys.executable, "-IS", str(PROGRAM), str(file), str(file.with_suffix(".log")))


def said(text: str) -> list[Any]:
    content = {"type": "text", "text": text}
    return ["update", {"sessionUpdate": "agent_message_chunk", "content": content}]


def called(call_id: str) -> list[Any]:
    told = {"toolCallId": call_id, "title": "work", "rawInput": {"a": 1}}
    return ["update", {"sessionUpdate": "tool_call", **told}]


@contextmanager
def _home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ao-agent-") as name:
        yield Path(name)


def wait_for_event(
    server: servers.Server, session_id: str, is_wanted: Callable[[Json], bool]
) -> None:
    """Wait in the feed of the session for an event."""
    if not any(map(is_wanted, live_events(server, session_id))):
        raise RuntimeError(f"session {session_id} has ended without the event")


def live_events(server: servers.Server, session_id: str) -> Iterator[Json]:
    """Yield the events of a session as they come, up to the end of its run."""
    path = f"/sessions/{session_id}/events?after_seq=0"
    options: Json = {"headers": {"Accept": "text/event-stream"}, "timeout": TIMEOUT_SECONDS}
    with server.client() as client, client.stream("GET", path, **options) as response:
        response.raise_for_status()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        for line in response.iter_lines():
            event = json.loads(line[5:]) if line.startswith("data:") else {}
            if "event_type" in event:
                yield event
            if event.get("event_type") == "session_stop":
                return
            if time.monotonic() > deadline:
                break
    raise TimeoutError(f"session {session_id} has not ended")

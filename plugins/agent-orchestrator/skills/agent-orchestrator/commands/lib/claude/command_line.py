"""Transport of the SDK that starts Claude Code's command line itself.

The SDK's own transport adds `os.environ` to the environment that it gets. It waits five seconds
before it signals a CLI that does not end, and does not stop the tools of a killed CLI. So this
transport uses `processes.Child`: exactly the environment of the spec, a separate POSIX session, and
one series of signals for the CLI and all its tools. The SDK still handles the control protocol and
the messages. Importing this module imports the SDK.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import claude_agent_sdk
from claude_agent_sdk import CLIConnectionError, CLIJSONDecodeError, ProcessError, Transport

from ..events.output_text import OutputText
from ..events.prepare import storable
from ..executors.base import Execution, ExecutorError, RunSpec
from ..executors.permission_modes import effective_mode
from ..executors.program.pipes import Drain, read_stdout
from ..machine.processes import Child, Grace, within
from .mcp_servers import allowed_tools, arguments_of_servers, built_in_tools
from .usage import RequestCounter

STDERR_BYTES_LIMIT = 64 * 1024

OF_THE_OUTER_SESSION = frozenset(
    {
        "AI_AGENT",
        "CLAUDECODE",
        "CLAUDE_CODE_CHILD_NOTES_DIR",
        "CLAUDE_CODE_CHILD_SESSION",
        "CLAUDE_CODE_EXECPATH",
        "CLAUDE_CODE_MESSAGING_SOCKET",
        "CLAUDE_CODE_MESSAGING_TOKEN",
        "CLAUDE_CODE_SESSION_ATTENDED",
        "CLAUDE_CODE_SESSION_ID",
        "CLAUDE_EFFORT",
        "CLAUDE_PID",
    }
)
"""Variables that Claude Code sets for its tools. An agent started by a tool must not get them."""


def find_cli(environment: Mapping[str, str]) -> str:
    """Return the CLI that comes with the SDK, else the one that the user has installed."""
    bundled = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
    home = Path(environment.get("HOME", "/nonexistent"))
    on_path = shutil.which("claude", path=environment.get("PATH", ""))
    usual = (home / ".local/bin/claude", home / ".claude/local/claude")
    for candidate in (bundled, *([Path(on_path)] if on_path else []), *usual):
        if candidate.is_file():
            return str(candidate)
    raise ExecutorError(
        "Claude Code is not installed: run `npm install -g @anthropic-ai/claude-code`, "
        "or install a claude-agent-sdk wheel that includes it"
    )


def arguments_of(execution: Execution, files: Path) -> list[str]:
    """Return the CLI's arguments. Values that may be long or secret go into `files`."""
    spec, continues = execution.spec, execution.continues
    agent = spec.agent
    arguments = ["--output-format=stream-json", "--input-format=stream-json", "--verbose"]
    # Also if no transcript is kept: only its lines have the usage of each model request.
    arguments.append("--session-mirror")
    # The user's own settings apply, as in a terminal.
    arguments.append("--setting-sources=user,project,local")
    # `=` because a value could otherwise be taken for a flag.
    if continues.fork_of is not None:
        arguments += [
            "--fork-session",
            f"--resume={continues.conversation_id or continues.fork_of}",
        ]
    if continues.resume:
        arguments.append(f"--resume={continues.conversation_id or execution.session_id}")
    else:
        arguments.append(f"--session-id={execution.session_id}")
    arguments += _permissions_of(execution)
    if model := spec.model or (agent and agent.model):
        arguments.append(f"--model={model}")
    arguments += _limits_of(spec)
    arguments += arguments_of_servers(execution, files)
    if allowed := allowed_tools(execution):
        arguments.append(f"--allowedTools={','.join(allowed)}")
    if agent is None:
        return arguments
    if agent.system_prompt is not None:
        prompt = files / "system-prompt.md"
        prompt.write_text(storable(agent.system_prompt), "utf-8")
        arguments.append(f"--append-system-prompt-file={prompt}")
    if agent.tools is not None:
        # This flag takes names only; patterns go into --allowedTools.
        arguments.append(f"--tools={','.join(built_in_tools(agent.tools))}")
    if agent.disallowed_tools:
        arguments.append(f"--disallowedTools={','.join(agent.disallowed_tools)}")
    return arguments


def _permissions_of(execution: Execution) -> list[str]:
    spec = execution.spec
    mode = effective_mode(spec.executor, spec.permission_mode, spec.agent)
    # It also gives the agent tools for questions and plans.
    prompts = [] if execution.ask is None else ["--permission-prompt-tool=stdio"]
    return [f"--permission-mode={mode}", *prompts]


def _limits_of(spec: RunSpec) -> list[str]:
    limits = []
    if spec.max_cost is not None:
        limits.append(f"--max-budget-usd={spec.max_cost:.9f}")  # without an exponent
    if spec.max_turns is not None:
        limits.append(f"--max-turns={spec.max_turns}")
    return limits


def environment_of(execution: Execution) -> dict[str, str]:
    """Return the agent's environment with the variables that the CLI needs from us."""
    given = {k: v for k, v in execution.environment.items() if k not in OF_THE_OUTER_SESSION}
    return {
        # A background shell that never ends would delay the end of the run by ten minutes.
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
        **given,
        "CLAUDE_CODE_ENTRYPOINT": "sdk-py",
        "CLAUDE_AGENT_SDK_VERSION": claude_agent_sdk.__version__,
        "PWD": str(execution.spec.project_dir),
    }


class CommandLine(Transport):
    """One process of the CLI, from `connect` to `close`."""

    def __init__(self, start: Callable[[], Awaitable[Child]]) -> None:
        self._start = start
        self._child: Child | None = None
        self._drain: Drain | None = None
        self._is_closing = False
        self._has_result = False
        self._is_compacted = False
        self._requests = RequestCounter()
        self.stderr = OutputText(STDERR_BYTES_LIMIT)
        self.usage_by_result: dict[str, dict[str, Any]] = {}
        """By result and model: usage since the previous result. The SDK's message lacks it."""
        self.sent_calls: set[str] = set()
        """Ids of the tool calls in the output so far."""
        self.origins: dict[str, str] = {}
        """By user message: the origin of its text. The SDK's message lacks it."""

    @property
    def exit_code(self) -> int | None:
        return self._child.exit_code if self._child else None

    async def connect(self) -> None:
        self._child = await self._start()
        self._drain = Drain(self._child, 2, self.stderr.add)

    async def write(self, data: str) -> None:
        if self._child is None or self._child.exit_code is not None:
            raise CLIConnectionError("Claude Code is not running")
        try:
            self._child.stdin.write(data.encode())
            await self._child.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as exc:
            raise CLIConnectionError("Claude Code has closed its input") from exc

    async def end_input(self) -> None:
        if self._child is not None:
            self._child.stdin.close()

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        assert self._child is not None  # the SDK connects first
        partial = bytearray()
        async with contextlib.aclosing(read_stdout(self._child)) as chunks:
            async for chunk in chunks:
                *lines, rest = chunk.split(b"\n")
                for line in lines:
                    frame = _parse(bytes(partial) + line)
                    partial.clear()
                    if frame is not None:
                        self._remember(frame)
                        yield frame
                        for told in self._requests.told_by(frame):
                            yield told
                partial += rest
        exit_code = await self._child.wait()
        if exit_code != 0 and not self._is_closing:
            # Without an exception the SDK would wait for its answers until they time out.
            raise ProcessError("Claude Code failed", exit_code=exit_code)

    def _remember(self, frame: dict[str, Any]) -> None:
        if frame.get("type") == "user":
            self.origins[str(frame.get("uuid"))] = _origin(frame, self._is_compacted)
        elif frame.get("type") == "assistant":
            self.sent_calls.update(_calls_in(frame))
        self._is_compacted = frame.get("subtype") == "compact_boundary"
        if frame.get("type") == "result":
            self._has_result = True
            usage = frame.get("model_usage_since_last_result")
            if isinstance(usage, dict):
                self.usage_by_result[str(frame.get("uuid"))] = usage

    async def wait(self, seconds: float) -> None:
        """Wait up to `seconds` for the end of the CLI, and read the rest of its stderr."""
        if self._child is not None and self._drain is not None:
            await within(seconds, self._child.wait())
            await self._drain.finish()
            self.stderr.add(b"", final=True)

    async def stop(self, grace: Grace | None = None) -> None:
        """Stop the CLI with all its tools. Its output can still be read."""
        if self._child is not None:
            await self._child.stop(grace)

    async def close(self) -> None:
        """Release the CLI. If it has not ended normally, stop it with all its tools."""
        if self._child is None or self._is_closing:
            return
        self._is_closing = True
        try:
            if self.exit_code is None or self.exit_code < 0 or not self._has_result:
                await self._child.stop()
        finally:
            try:
                if self._drain is not None:
                    await self._drain.finish()
                    self.stderr.add(b"", final=True)
            finally:
                self._child.close()

    def is_ready(self) -> bool:
        return self._child is not None and self._child.exit_code is None


def _calls_in(frame: Mapping[str, Any]) -> Iterator[str]:
    message = frame.get("message")
    blocks = message.get("content") if isinstance(message, dict) else None
    for block in blocks if isinstance(blocks, list) else []:
        if isinstance(block, dict) and block.get("type") == "tool_use":
            yield str(block.get("id"))


def _origin(frame: Mapping[str, Any], is_compacted: bool) -> str:
    """Return the origin of a user message. The CLI sends none that a person has written."""
    if frame.get("isCompactSummary") or (is_compacted and frame.get("isSynthetic")):
        return "compaction"
    origin = frame.get("origin")
    if isinstance(origin, dict) and isinstance(origin.get("kind"), str):
        return str(origin["kind"])
    return "command" if frame.get("isReplay") else "system"


def _parse(line: bytes) -> dict[str, Any] | None:
    """Parse one line. Some builds of the CLI also print lines that are not messages."""
    line = line.strip()
    if not line.startswith(b"{"):
        return None
    try:
        frame: dict[str, Any] = json.loads(line)
    except ValueError as exc:
        raise CLIJSONDecodeError(line.decode(errors="replace"), exc) from exc
    return frame

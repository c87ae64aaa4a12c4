"""Executor for Claude Code, through the official SDK, which is imported only for a run.

One run is one process of the CLI. The executor sends the prompt, and closes the input once every
message to the agent has its result. It reads the output until the process ends. So a later answer
is not lost, for example that of a subagent that came back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..events.event import Event
from ..events.prepare import create_event, storable, text_content
from ..executors.base import Execution, ExecutorError
from ..executors.event_reader import EventReader
from ..executors.mcp_server import clash_of
from ..machine.processes import Child, Grace, shell_exit_code, signal_name
from ..shared.install_advice import install_command
from .mcp_servers import expected_servers
from .sdk import import_sdk

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, ResultMessage
    from claude_agent_sdk.types import Message, SessionStore

    from .command_line import CommandLine
    from .permissions import Permissions
    from .translation import Translation

logger = logging.getLogger(__name__)

END_SECONDS = 5.0
"""Time for the CLI to end after it has closed its output or refused to start."""
ERROR_LINES = 10
LOGIN = "run `claude` and then /login there, or set ANTHROPIC_API_KEY"
ROOT = "run as another user, or choose another permission mode"
_LIMITS = ("error_max_budget_usd", "error_max_turns")
"""Subtypes of the results of runs that have reached a limit."""
SILENCE = logging.NullHandler()
"""Keeps the SDK from printing to the terminal. The session's events have the same content."""


class ClaudeExecutor:
    """Runs Claude Code once."""

    def __init__(
        self, execution: Execution, *, cli_path: str | None = None, grace: Grace | None = None
    ) -> None:
        """Use `cli_path` instead of the CLI found by `find_cli`; `grace` sets how it is stopped."""
        self._grace = grace
        self._execution = execution
        self._spec = execution.spec
        self._cli_path = cli_path
        self._client: ClaudeSDKClient | None = None
        self._permissions: Permissions | None = None
        continues = execution.continues
        is_forked = continues.fork_of is not None
        self._conversation_id = (
            not is_forked and continues.conversation_id
        ) or execution.session_id
        self._unanswered: set[str] = set()
        """Ids of the messages to the agent that have no result yet."""

    async def run(self, prompt: str) -> AsyncGenerator[Event, None]:
        """Run one turn of the conversation, or more if the agent continues."""
        prompt, prompt_id = storable(prompt), str(uuid.uuid4())
        yield create_event("message", prompt_id, role="user", content=text_content(prompt))
        if clash := clash_of(self._spec.agent, self._execution.mcp):
            yield create_event("diagnostic", content=text_content(clash))
        try:
            import_sdk()
            from claude_agent_sdk import ClaudeSDKClient

            from .translation import Translation
        except ImportError as exc:
            raise ExecutorError(
                "the Claude Agent SDK is not installed: " + install_command("claude-agent-sdk")
            ) from exc
        logging.getLogger("claude_agent_sdk").addHandler(SILENCE)

        with tempfile.TemporaryDirectory(prefix="agent-orchestrator-") as files:
            cli = self._command_line(Path(files))
            translation = Translation(
                cli.usage_by_result,
                cli.origins,
                servers=expected_servers(self._execution),
                is_resume=self._execution.continues.resume,
            )
            if self._execution.ask is not None:
                from .permissions import Permissions

                self._permissions = Permissions(self._execution.ask, cli.sent_calls, translation)
            client = ClaudeSDKClient(self._options(), transport=cli)
            try:
                await self._begin(client, cli, prompt, prompt_id)
                async with contextlib.aclosing(self._messages(client, cli, translation)) as events:
                    reader = EventReader(events, partial(self._stop, cli))
                    while (event := await reader.next()) is not None:
                        yield event
            finally:
                # Closed here first: the SDK may be interrupted before it does.
                try:
                    await cli.close()
                finally:
                    await client.disconnect()
        for event in translation.last_events():
            yield event
        if cli.stderr.characters:
            yield create_event("diagnostic", **cli.stderr.fields())
        if reader.is_stopped:
            raise asyncio.CancelledError
        yield _session_stop(translation, cli)

    def _options(self) -> ClaudeAgentOptions:
        """Return the options of the SDK itself. Those of the CLI are in its arguments."""
        from claude_agent_sdk import ClaudeAgentOptions

        return ClaudeAgentOptions(
            session_store=cast("SessionStore | None", self._execution.mirror),
            session_store_flush="eager",
            forward_subagent_text=True,
            env=self._execution.environment,
            can_use_tool=self._permissions.decide if self._permissions else None,
        )

    async def send(self, text: str, message_id: str, *, may_wait: bool = True) -> bool:
        """Send a message to the running agent. If it is already answering, this adds a turn."""
        if self._client is None:
            raise ExecutorError("the agent accepts no messages: it has not started or has finished")
        self._unanswered.add(message_id)
        await self._client.query(_prompts(storable(text), message_id))
        return True

    def _command_line(self, files: Path) -> CommandLine:
        from .command_line import CommandLine, arguments_of, environment_of, find_cli

        directory = self._spec.project_dir
        if not directory.is_dir():
            raise ExecutorError(f"the project directory {directory} does not exist")
        path = self._cli_path or find_cli(self._execution.environment)
        start = partial(
            Child.start,
            [path, *arguments_of(self._execution, files)],
            environment=environment_of(self._execution),
            directory=directory,
            spared=self._execution.spared,
        )
        return CommandLine(start)

    async def _begin(
        self, client: ClaudeSDKClient, cli: CommandLine, prompt: str, prompt_id: str
    ) -> None:
        """Start the CLI and send it the prompt. From then on it accepts further messages."""
        try:
            await client.connect()
            self._unanswered.add(prompt_id)
            await client.query(_prompts(prompt, prompt_id))
            self._client = client
        # Any error: the SDK raises a bare Exception for a refusal and for a timeout.
        except Exception as exc:
            await cli.wait(END_SECONDS)
            why = cli.stderr.last_lines(ERROR_LINES) or str(exc)
            hint = f" ({ROOT})" if "root/sudo" in why else ""
            raise ExecutorError(f"Claude Code did not start: {why}{hint}") from exc

    async def _messages(
        self, client: ClaudeSDKClient, cli: CommandLine, translation: Translation
    ) -> AsyncGenerator[Event, None]:
        """Yield the events of all messages until the CLI ends or fails."""
        from claude_agent_sdk import ProcessError, ResultMessage

        try:
            async for message in client.receive_messages():
                if isinstance(message, ResultMessage):
                    await self._note_result(message, cli)
                if moved_to := self._moved_to(message):
                    yield create_event("conversation", conversation_id=moved_to)
                for event in translation.events(message):
                    yield event
                    if self._permissions is not None:  # our caller has recorded the event
                        await self._permissions.note(event)
                if translation.is_hopeless:
                    return
        # Any error: a run whose CLI or SDK failed must still end with its `session_stop`.
        except Exception as exc:
            # The stop already covers an exit code, or a failed result that was yielded before.
            if not isinstance(exc, ProcessError):
                logger.info("reading Claude Code's messages failed", exc_info=True)
                translation.breakdown = str(exc)
                return
        finally:
            self._client = None
        await cli.wait(END_SECONDS)

    def _moved_to(self, message: Message) -> str | None:
        """Return the new conversation if the agent has moved to one, as it does with `/clear`."""
        is_start = getattr(message, "subtype", None) == "init"
        found = getattr(message, "data", {}).get("session_id") if is_start else None
        if not isinstance(found, str) or found == self._conversation_id:
            return None
        self._conversation_id = found
        return found

    def _stop(self, cli: CommandLine) -> Awaitable[None]:
        self._client = None
        return cli.stop(self._grace)

    async def _note_result(self, result: ResultMessage, cli: CommandLine) -> None:
        """Close the CLI's input once every message to it has its result."""
        answered = result.user_message_uuids
        if answered is None or result.is_error:
            self._unanswered.clear()
        else:
            self._unanswered.difference_update(answered)
        if not self._unanswered:
            self._client = None
            await cli.end_input()


async def _prompts(prompt: str, prompt_id: str) -> AsyncIterator[dict[str, object]]:
    # Our id connects the transcript's line with our event.
    yield {
        "type": "user",
        "uuid": prompt_id,
        "message": {"role": "user", "content": prompt},
        "parent_tool_use_id": None,
    }


def _session_stop(translation: Translation, cli: CommandLine) -> Event:
    result, code = translation.result, cli.exit_code
    is_answered = result is not None and not result.is_error
    if is_answered and code == 0 and translation.breakdown is None:
        return create_event("session_stop", exit_code=0, reason="completed")
    is_over_budget = result is not None and (
        result.subtype in _LIMITS or result.terminal_reason == "budget_exhausted"
    )
    return create_event(
        "session_stop",
        exit_code=shell_exit_code(code or 1),
        reason="budget" if is_over_budget else "failed",
        error=_failure(translation, cli),
    )


def _failure(translation: Translation, cli: CommandLine) -> str:
    """Return one sentence on why the run failed. A failed result's subtype may be `success`."""
    result = translation.result
    said = ""
    if result is not None and result.is_error:
        said = "; ".join(result.errors or []) or result.result or result.subtype
    if translation.api_error == "authentication_failed":
        return f"Claude Code has no valid login ({said or 'refused'}): {LOGIN}"
    if said:
        return said
    if translation.breakdown is not None:
        return f"the output of Claude Code could not be read: {translation.breakdown}"
    last_lines = cli.stderr.last_lines(ERROR_LINES)
    why = f": {last_lines}" if last_lines else ""
    code = cli.exit_code or 0
    if code < 0:
        return f"Claude Code was killed by {signal_name(-code)}{why}"
    without = "" if result is not None else " and without a result"
    return f"Claude Code ended with exit code {code}{without}{why}"

"""Translates the SDK's messages into events. Importing this module imports the SDK.

It knows the meaning of the messages, and does not depend on processes. The same messages give the
same events with the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from claude_agent_sdk import (
    TERMINAL_TASK_STATUSES,
    AssistantMessage,
    ContentBlock,
    Message,
    ResultMessage,
    ServerToolResultBlock,
    ServerToolUseBlock,
    SystemMessage,
    TaskNotificationMessage,
    TaskStartedMessage,
    TaskUpdatedMessage,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
)

from ..events.event import Event
from ..events.prepare import create_event, text_content
from . import usage

Usage = Mapping[str, Mapping[str, Any]]
"""Usage by model, as the CLI writes it in `modelUsage`."""

AUTHENTICATION_FAILED = "authentication_failed"
AUTHENTICATION_ATTEMPTS = 3
"""Retrying refused credentials is useless, but the CLI would do it for three minutes."""

SERVER_PROBLEMS = {
    "failed": "did not start, and its tools are missing: try its command by hand",
    "needs-auth": "needs a login, and its tools are missing: run `claude` and then /mcp there",
    "ignored": "is ignored by Claude Code, and its tools are missing: check its definition; every "
    "value of `env` must be a string",
}
"""Statuses of an MCP server that leave the agent without its tools, each with an explanation."""


class Translation:
    """Translates the messages of one run; stores values that later messages do not repeat."""

    def __init__(
        self,
        usage_by_result: Mapping[str, Usage],
        origins: Mapping[str, str],
        *,
        servers: Iterable[str] = (),
        is_resume: bool,
    ) -> None:
        self._servers = frozenset(servers)
        """The MCP servers that the CLI should report."""
        self._server_status: dict[str, str] = {}
        self._usage_by_result = usage_by_result
        self._origins = origins
        self._cost_so_far = None if is_resume else 0.0
        self._open_calls: dict[str, tuple[str, Mapping[str, str]]] = {}
        self._denied: set[str] = set()
        """Calls whose denial is recorded, or that were decided as a question."""
        self._subagents: dict[str, tuple[str | None, str]] = {}
        self.result: ResultMessage | None = None
        """The newest result. A run has several if the agent continued without a prompt."""
        self.api_error: str | None = None
        """The kind of the newest error that ended a turn."""
        self.is_hopeless = False
        """True if waiting for the result is useless."""
        self.breakdown: str | None = None
        """Reason why reading failed before the CLI ended; None if it did not fail."""

    def note_decided(self, tool_use_id: str) -> None:
        """Note a call that was decided as a question. It gets no `permission_denied`."""
        self._denied.add(tool_use_id)

    def parent_of(self, tool_use_id: str, agent_id: str | None) -> str | None:
        """Return the call that started the subagent of another call."""
        if agent_id in self._subagents:
            return self._subagents[agent_id][0]
        _, parent = self._open_calls.get(tool_use_id, (None, {}))
        return parent.get("parent_tool_use_id")

    def events(self, message: Message) -> Iterator[Event]:
        """Yield the events of one message."""
        match message:
            case AssistantMessage():
                yield from self._assistant(message)
            case UserMessage():
                yield from self._user(message)
            case SystemMessage():
                yield from self._system(message)
            case ResultMessage():
                yield from self._result(message)

    def _system(self, message: SystemMessage) -> Iterator[Event]:
        match message:
            case SystemMessage(subtype="init"):
                yield from self._missing_servers(message.data.get("mcp_servers"))
            case TaskStartedMessage(task_type="local_agent"):
                yield self._subagent_start(message)
            case TaskUpdatedMessage() if message.task_id in self._subagents:
                self._note_subagent(message)
            case TaskNotificationMessage() if message.task_id in self._subagents:
                yield self._subagent_stop(message.task_id, message.status, message.summary)
            case SystemMessage(subtype="api_retry"):
                yield self._retry(message.data)
            case SystemMessage(subtype="permission_denied"):
                yield from self._permission_denied(message.data, message.data.get("message"))
            case SystemMessage(subtype=usage.SUBTYPE):
                yield create_event("usage", message.data["event_id"], **message.data["fields"])

    def last_events(self) -> Iterator[Event]:
        """Yield the missing events after the last message."""
        for tool_use_id in list(self._open_calls):
            yield self._post_tool(tool_use_id, None, "the run ended before the tool did")
        for task_id, (_, status) in list(self._subagents.items()):
            yield self._subagent_stop(task_id, status, None)

    def _missing_servers(self, reported: Any) -> Iterator[Event]:
        """Yield each new problem of an MCP server. The CLI repeats all states at every turn."""
        found = {
            str(server.get("name")): str(server.get("status"))
            for server in (reported if isinstance(reported, list) else [])
            if isinstance(server, dict)
        }
        for name in self._servers - found.keys():
            found[name] = "ignored"
        for name, status in sorted(found.items()):
            if status in SERVER_PROBLEMS and self._server_status.get(name) != status:
                problem = f"MCP server {name!r} {SERVER_PROBLEMS[status]}"
                yield create_event("diagnostic", content=text_content(problem))
        self._server_status = found

    def _assistant(self, message: AssistantMessage) -> Iterator[Event]:
        content = [block.text for block in message.content if isinstance(block, TextBlock)]
        if message.error is not None:
            # A text of the CLI, not of the model: it must not become the answer.
            self.api_error = message.error
            yield create_event(
                "diagnostic", f"{message.uuid}:error", content=text_content("\n".join(content))
            )
            return
        self.api_error = None
        parent = _parent(message.parent_tool_use_id)
        for index, block in enumerate(message.content):
            event_id = f"{message.uuid}:{index}"
            match block:
                case ThinkingBlock() if block.thinking:
                    thinking = text_content(block.thinking)
                    yield create_event("thinking", event_id, content=thinking, **parent)
                case TextBlock() if content:
                    blocks = [part for text in content for part in text_content(text)]
                    content = []  # all texts of a message are one event
                    yield create_event(
                        "message", event_id, role="assistant", content=blocks, **parent
                    )
                case ToolUseBlock() | ServerToolUseBlock():
                    yield self._pre_tool(block, parent)
                case ToolResultBlock() | ServerToolResultBlock():
                    yield self._tool_result(block)

    def _user(self, message: UserMessage) -> Iterator[Event]:
        text = message.content if isinstance(message.content, str) else ""
        blocks: list[ContentBlock] = [] if isinstance(message.content, str) else message.content
        for block in blocks:
            if isinstance(block, ToolResultBlock):
                yield self._tool_result(block)
            elif isinstance(block, TextBlock):
                text += block.text
        # The prompt of a subagent is already the input of the call that started it.
        if text and message.parent_tool_use_id is None:
            event_id = message.uuid and f"{message.uuid}:0"
            origin = self._origins.get(str(message.uuid), "system")
            content = text_content(text)
            yield create_event("message", event_id, role="user", origin=origin, content=content)

    def _pre_tool(
        self, block: ToolUseBlock | ServerToolUseBlock, parent: Mapping[str, str]
    ) -> Event:
        self._open_calls[block.id] = block.name, parent
        return create_event(
            "pre_tool",
            f"{block.id}:pre",
            tool_name=block.name,
            tool_input=block.input,
            tool_use_id=block.id,
            **parent,
        )

    def _tool_result(self, block: ToolResultBlock | ServerToolResultBlock) -> Event:
        failed = isinstance(block, ToolResultBlock) and block.is_error
        error = (_text(block.content) or "the tool failed") if failed else None
        return self._post_tool(block.tool_use_id, block.content, error)

    def _post_tool(self, tool_use_id: str, output: Any, error: str | None) -> Event:
        tool_name, parent = self._open_calls.pop(tool_use_id, (None, {}))
        return create_event(
            "post_tool",
            f"{tool_use_id}:post",
            tool_name=tool_name,
            tool_output=output,
            tool_use_id=tool_use_id,
            error=error,
            **parent,
        )

    def _permission_denied(self, denial: Mapping[str, Any], why: str | None) -> Iterator[Event]:
        tool_use_id = str(denial.get("tool_use_id"))
        if tool_use_id in self._denied:
            return
        self._denied.add(tool_use_id)
        _, parent = self._open_calls.get(tool_use_id, (None, {}))
        yield create_event(
            "permission_denied",
            f"{tool_use_id}:denied",
            tool_name=denial.get("tool_name"),
            tool_use_id=tool_use_id,
            error=why or "the permission mode does not allow it",
            **parent,
        )

    def _subagent_start(self, message: TaskStartedMessage) -> Event:
        self._subagents[message.task_id] = message.tool_use_id, "lost"
        return create_event(
            "subagent_start",
            message.uuid,
            subagent_id=message.task_id,
            subagent_type=message.data.get("subagent_type"),
            description=message.description,
            **_parent(message.tool_use_id),
        )

    def _note_subagent(self, message: TaskUpdatedMessage) -> None:
        """Store a final status, as the CLI may not send it in a second message."""
        if message.status in TERMINAL_TASK_STATUSES:
            tool_use_id, _ = self._subagents[message.task_id]
            self._subagents[message.task_id] = tool_use_id, str(message.status)

    def _subagent_stop(self, task_id: str, status: str, summary: str | None) -> Event:
        tool_use_id, _ = self._subagents.pop(task_id)
        return create_event(
            "subagent_stop",
            f"{tool_use_id or task_id}:subagent_stop",
            subagent_id=task_id,
            status=status,
            content=text_content(summary) if summary else None,
            **_parent(tool_use_id),
        )

    def _retry(self, retry: Mapping[str, Any]) -> Event:
        attempt = retry.get("attempt") or 0
        if retry.get("error") == AUTHENTICATION_FAILED and attempt >= AUTHENTICATION_ATTEMPTS:
            self.api_error = AUTHENTICATION_FAILED
            self.is_hopeless = True
        return create_event(
            "retry",
            retry.get("uuid"),
            error=str(retry.get("error")),
            status_code=retry.get("error_status"),
            attempt=attempt,
            max_retries=retry.get("max_retries"),
            delay_seconds=(retry.get("retry_delay_ms") or 0) / 1000,
        )

    def _result(self, message: ResultMessage) -> Iterator[Event]:
        self.result = message
        for denial in message.permission_denials or []:
            yield from self._permission_denied(denial, None)
        yield create_event("usage", f"{message.uuid}:usage", usage=self._usage(message))

    def _usage(self, message: ResultMessage) -> dict[str, int]:
        """Return the usage that this result adds. Its totals are those of the whole session."""
        cost_before, self._cost_so_far = self._cost_so_far, message.total_cost_usd
        models = self._usage_by_result.get(str(message.uuid))
        if models is not None:  # subagents and side calls included
            return _total(models)
        usage = message.usage or {}
        tokens = {
            "input_tokens": usage.get("input_tokens") or 0,
            "output_tokens": usage.get("output_tokens") or 0,
            "cache_read_tokens": usage.get("cache_read_input_tokens") or 0,
            "cache_creation_tokens": usage.get("cache_creation_input_tokens") or 0,
        }
        if message.total_cost_usd is None or cost_before is None:
            return tokens  # an older CLI, resumed: our part of the total is unknown
        cost = message.total_cost_usd - cost_before
        return {**tokens, "cost_microdollars": round(cost * 1_000_000)}


def _total(models: Usage) -> dict[str, int]:
    def add(key: str) -> float:
        return sum(usage.get(key) or 0 for usage in models.values())

    return {
        "input_tokens": int(add("inputTokens")),
        "output_tokens": int(add("outputTokens")),
        "cache_read_tokens": int(add("cacheReadInputTokens")),
        "cache_creation_tokens": int(add("cacheCreationInputTokens")),
        "cost_microdollars": round(add("costUSD") * 1_000_000),
    }


def _parent(tool_use_id: str | None) -> dict[str, str]:
    return {"parent_tool_use_id": tool_use_id} if tool_use_id else {}


def _text(content: Any) -> str:
    if isinstance(content, list):
        texts = [block.get("text") for block in content if isinstance(block, dict)]
        return "\n".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""

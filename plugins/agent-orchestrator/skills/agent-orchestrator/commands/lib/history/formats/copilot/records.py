"""Translates the lines of `events.jsonl`, to which Copilot CLI appends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ....events.event import Event
from ....events.prepare import text_content
from ...items import BrokenRecordError, FoundEvent, Item, SessionFacts, TurnEnd
from ..fields import (
    Fields,
    Json,
    event,
    fields_of,
    list_of,
    required_id,
    text_of,
    time_of_text,
    unknown,
)
from .usage import Record

_WITHOUT_ITEMS = (
    "assistant.idle",
    "assistant.intent",
    "assistant.reasoning",
    "assistant.turn_retry",
    "assistant.usage",
    "command.completed",
    "command.execute",
    "command.queued",
    "elicitation.completed",
    "elicitation.requested",
    "exit_plan_mode.completed",
    "exit_plan_mode.requested",
    "external_tool.completed",
    "external_tool.requested",
    "hook.end",
    "hook.start",
    "model.call_failure",
    "permission.completed",
    "permission.requested",
    "session.background_tasks_changed",
    "session.compaction_start",
    "session.context_changed",
    "session.handoff",
    "session.idle",
    "session.info",
    "session.mode_changed",
    "session.model_change",
    "session.plan_changed",
    "session.skills_loaded",
    "session.snapshot_rewind",
    "session.task_complete",
    "session.title_changed",
    "session.tools_updated",
    "session.truncation",
    "session.warning",
    "session.workspace_file_changed",
    "skill.invoked",
    "subagent.completed",
    "subagent.configured",
    "subagent.deselected",
    "subagent.failed",
    "subagent.selected",
    "system.message",
    "tool.execution_partial_result",
    "tool.execution_progress",
    "tool.user_requested",
    "user_input.completed",
    "user_input.requested",
)
"""Known types without content of the conversation, or with content that others repeat."""


class Records:
    """Reads the records of one session in order."""

    def __init__(self, session_id: str) -> None:
        self.usage: list[Record] = []
        self.shutdowns: list[Record] = []
        """Sums that were written before the first record with usage."""
        self._session_id = session_id
        self._names: dict[str, str] = {}
        """Names of the tools by open call."""
        self._agents: dict[str, str] = {}
        """The calls that started subagents, by the id of the subagent."""
        self._has_answer = False
        """True after an answer without calls, which ends the turn."""
        self._readers: dict[str, Callable[[Fields, Record], Iterator[Item]]] = {
            "abort": self._abort,
            "assistant.message": self._answer,
            "assistant.turn_end": self._turn_end,
            "assistant.turn_start": self._turn_start,
            "session.compaction_complete": self._compaction,
            "session.error": self._error,
            "session.resume": self._facts,
            "session.shutdown": self._shutdown,
            "session.start": self._facts,
            "session.usage_record": self._usage,
            "subagent.started": self._subagent,
            "system.notification": self._notification,
            "tool.execution_complete": self._tool_end,
            "tool.execution_start": self._tool_start,
            "user.message": self._prompt,
        }

    def read(self, record: Json, number: int) -> Iterator[Item]:
        """Yield the items of the record on a line.

        Raises:
            BrokenRecordError: the line is not a record of this format.
        """
        if not isinstance(record, dict) or not isinstance(record.get("type"), str):
            raise BrokenRecordError("the record is not an object with a type")
        kind = record["type"]
        if reader := self._readers.get(kind):
            yield from reader(record, self._open(record, number))
        elif kind not in _WITHOUT_ITEMS:
            yield unknown("record", kind)

    def _open(self, record: Fields, number: int) -> Record:
        if not isinstance(record.get("data"), dict):
            raise BrokenRecordError("the data of the record is missing")
        # Older versions write no ids. Lines are only appended, so the number is one.
        event_id = record.get("id", f"line-{number}")
        return Record(
            event_id=required_id(event_id, "the id"),
            timestamp=time_of_text(record.get("timestamp")),
            data=record["data"],
            is_subagent=text_of(record.get("agentId")) is not None,
        )

    def _facts(self, record: Fields, opened: Record) -> Iterator[Item]:
        yield SessionFacts(
            session_id=self._session_id,
            project_dir=text_of(fields_of(opened.data.get("context")).get("cwd")),
            agent_version=text_of(opened.data.get("copilotVersion")),
        )

    def _prompt(self, record: Fields, opened: Record) -> Iterator[Item]:
        self._has_answer = False
        if self._parent(record):
            return  # The input of the call that started the subagent has it already.
        source = opened.data.get("source")
        origin = None if source in (None, "user") else "system"
        blocks: list[dict[str, Json]] = []
        if content := _text(opened, "content"):
            blocks += text_content(content)
        for attachment in map(fields_of, list_of(opened.data.get("attachments"))):
            name = text_of(attachment.get("displayName")) or text_of(attachment.get("path"))
            blocks.append({"type": "file", "name": name or "unknown"})
        if blocks:
            yield self._message(record, opened, role="user", origin=origin, content=blocks)

    def _answer(self, record: Fields, opened: Record) -> Iterator[Item]:
        content = _text(opened, "content")
        if thought := text_of(opened.data.get("reasoningText")):
            event_id = f"{opened.event_id}:thinking"
            thinking = text_content(thought)
            yield self._found(
                record, event("thinking", event_id, opened.timestamp, content=thinking)
            )
        if content:
            text = text_content(content)
            yield self._message(record, opened, role="assistant", content=text)
        if not self._parent(record):
            self._has_answer = not list_of(opened.data.get("toolRequests"))

    def _tool_start(self, record: Fields, opened: Record) -> Iterator[Item]:
        call_id = required_id(opened.data.get("toolCallId"), "the call id")
        name = text_of(opened.data.get("toolName"))
        if name is None:
            raise BrokenRecordError("the name of the tool is missing")
        self._names[call_id] = name
        started = event(
            "pre_tool",
            f"{opened.event_id}:pre",
            opened.timestamp,
            tool_name=name,
            tool_input=fields_of(opened.data.get("arguments")),
            tool_use_id=call_id,
        )
        yield self._found(record, started)

    def _tool_end(self, record: Fields, opened: Record) -> Iterator[Item]:
        call_id = required_id(opened.data.get("toolCallId"), "the call id")
        name = self._names.pop(call_id, None) or text_of(opened.data.get("toolName"))
        ended = event(
            "post_tool",
            f"{opened.event_id}:post",
            opened.timestamp,
            tool_name=name or "unknown",
            tool_output=fields_of(opened.data.get("result")).get("content"),
            tool_use_id=call_id,
            error=_tool_error(opened.data),
        )
        yield self._found(record, ended)

    def _compaction(self, record: Fields, opened: Record) -> Iterator[Item]:
        if summary := text_of(opened.data.get("summaryContent")):
            content = text_content(summary)
            yield self._message(record, opened, role="user", origin="compaction", content=content)

    def _notification(self, record: Fields, opened: Record) -> Iterator[Item]:
        if text := text_of(opened.data.get("content")):
            content = text_content(text)
            yield self._message(record, opened, role="user", origin="system", content=content)

    def _subagent(self, record: Fields, opened: Record) -> Iterator[Item]:
        agent_id, call_id = text_of(record.get("agentId")), text_of(opened.data.get("toolCallId"))
        if agent_id and call_id:
            self._agents[agent_id] = call_id
        yield from ()

    def _turn_start(self, record: Fields, opened: Record) -> Iterator[Item]:
        if not self._parent(record):
            self._has_answer = False
        yield from ()

    def _turn_end(self, record: Fields, opened: Record) -> Iterator[Item]:
        """Yield the end of a turn. Copilot ends a turn of its own after each answer."""
        if self._has_answer and not self._parent(record):
            self._has_answer = False
            yield TurnEnd(session_id=self._session_id, reason="completed")

    def _abort(self, record: Fields, opened: Record) -> Iterator[Item]:
        reason = text_of(opened.data.get("reason"))
        yield TurnEnd(session_id=self._session_id, reason="stopped", error=reason)

    def _error(self, record: Fields, opened: Record) -> Iterator[Item]:
        self._has_answer = False
        error = text_of(opened.data.get("message")) or "unknown error"
        yield TurnEnd(session_id=self._session_id, reason="failed", error=error)

    def _usage(self, record: Fields, opened: Record) -> Iterator[Item]:
        self.usage.append(opened)
        yield from ()

    def _shutdown(self, record: Fields, opened: Record) -> Iterator[Item]:
        if not self.usage:
            self.shutdowns.append(opened)
        yield from ()

    def _parent(self, record: Fields) -> str | None:
        """Return the call that started the subagent of a record."""
        parent = text_of(fields_of(record.get("data")).get("parentToolCallId"))
        return parent or self._agents.get(text_of(record.get("agentId")) or "")

    def _message(self, record: Fields, opened: Record, **values: Json) -> FoundEvent:
        return self._found(record, event("message", opened.event_id, opened.timestamp, **values))

    def _found(self, record: Fields, found: Event) -> FoundEvent:
        parent = self._parent(record)
        mark = {"parent_tool_use_id": parent} if parent else {}
        return FoundEvent(session_id=self._session_id, event={**found, **mark})


def _text(opened: Record, name: str) -> str:
    value = opened.data.get(name)
    if not isinstance(value, str):
        raise BrokenRecordError(f"the {name} is missing")
    return value


def _tool_error(data: Fields) -> str | None:
    if data.get("success") is not True:
        error = fields_of(data.get("error"))
        return text_of(error.get("message")) or "the tool failed"
    code = fields_of(data.get("shellExecution")).get("exitCode")
    has_failed = isinstance(code, int) and not isinstance(code, bool) and code != 0
    return f"exit code {code}" if has_failed else None

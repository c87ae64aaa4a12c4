"""The lines of a transcript as events, with the ids that a recorded run gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from ....events.cut_text import join_texts
from ....events.prepare import prepare
from ...format import Place
from ...items import (
    BrokenRecordError,
    ForkPoint,
    FoundEvent,
    Item,
    SessionFacts,
    TitleRank,
    TurnEnd,
    UnknownRecord,
)
from ..fields import (
    MAX_ID_CHARS,
    event,
    fields_of,
    list_of,
    required_id,
    required_session_id,
    session_id_of,
    text_of,
    time_of_text,
    title_line,
)
from .kinds import EVENTLESS, TITLES
from .memory import Memory
from .persisted import PersistedOutputs
from .prompts import COMMAND_OUTPUT, INTERRUPTED, Prompt, prompt_of
from .usage import SYNTHETIC, has_searches, requests_of, search_of

Json = Any
Record = Mapping[str, Json]
Reason = Literal["completed", "failed", "stopped"]

_ENDS = frozenset({"end_turn", "stop_sequence", "max_tokens", "refusal"})
_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")
_SUBAGENT_TOOLS = frozenset({"Task", "Agent"})
_MAX_NAME_CHARS = 200
_MAX_PATH_CHARS = 4096


class Lane(NamedTuple):
    """A subagent. Its events belong to the session that started it, apart from those of others."""

    agent_id: str
    tool_use_id: str | None
    """The call that started it, if the file beside its transcript names it."""

    @property
    def parent(self) -> str:
        """The `parent_tool_use_id` of its events."""
        return self.tool_use_id or f"agent-{self.agent_id}"


class _Line(NamedTuple):
    """A line of a message."""

    record: Record
    uuid: str
    session_id: str
    time: str | None
    origin: str | None
    """The session from which it was copied, if it names that."""
    is_inherited: bool

    @property
    def message(self) -> Record:
        return fields_of(self.record.get("message"))


class Parser:
    """Reads the lines of one transcript. All of them belong to one session.

    With a `lane`, they belong to a subagent of that session. Older versions name the session only
    in the lines of such a transcript.
    """

    def __init__(
        self, memory: Memory, outputs: PersistedOutputs, *, lane: Lane | None = None
    ) -> None:
        self._memory = memory
        self._outputs = outputs
        self._lane = lane

    @property
    def state(self) -> dict[str, Json]:
        return self._memory.state

    def read(self, record: Json, place: Place) -> Iterator[Item]:
        if not isinstance(record, dict):
            raise BrokenRecordError("not an object")
        kind = record.get("type")
        if not isinstance(kind, str):
            raise BrokenRecordError("type is missing")
        if kind == "assistant":
            yield from self._assistant(self._line(record, place))
        elif kind == "user":
            yield from self._user(self._line(record, place))
        elif kind == "attachment":
            yield from self._attachment(record, place)
        elif kind in TITLES:
            yield from self._titles(kind, record)
        elif kind == "system":
            yield from self._system(record)
        elif kind == "queue-operation":
            self._note_begin(record)
        elif kind not in EVENTLESS:
            yield UnknownRecord(kind=kind[:100])

    def _line(self, record: Record, place: Place, uuid: Json = None) -> _Line:
        memory = self._memory
        if memory.session_id is None:
            memory.session_id = required_session_id(record.get("sessionId"))
        time, begin = time_of_text(record.get("timestamp")), memory.began_at
        origin = self._origin_of(record)
        is_inherited = (
            origin is not None
            or place.offset <= memory.end_of_copy
            or (time is not None and begin is not None and time < begin)
        )
        line_id = required_id(uuid or record.get("uuid"), "uuid")
        return _Line(record, line_id, memory.session_id, time, origin, is_inherited)

    def _note_begin(self, record: Record) -> None:
        """Note the time before which no line is the session's own.

        A fork of a compacted session has no mark: it begins without lines of the model. But its
        first prompt was queued after the copied lines were written in the original.
        """
        if self._memory.last_line is None and self._memory.began_at is None:
            self._memory.began_at = time_of_text(record.get("timestamp"))

    def _origin_of(self, record: Record) -> str | None:
        """Return the session from which a line was copied, if the line names it."""
        fork = session_id_of(fields_of(record.get("forkedFrom")).get("sessionId"))
        origin = fork or session_id_of(record.get("requestSessionId"))
        return None if origin == self._memory.session_id else origin

    def _facts(self, line: _Line) -> Iterator[Item]:
        """Yield the facts about the session that a line adds or changes."""
        memory, record = self._memory, line.record
        memory.last_line = line.uuid
        if self._lane is not None:
            return
        origin = line.origin
        if origin is not None and origin != memory.origin:
            memory.origin = origin
            yield SessionFacts(session_id=line.session_id, forked_from=ForkPoint(origin))
        if memory.last_copied is not None and memory.origin and not line.is_inherited:
            fork = ForkPoint(memory.origin, memory.last_copied)
            memory.last_copied = None
            yield SessionFacts(session_id=line.session_id, forked_from=fork)
        project_dir = _short(record.get("cwd"), _MAX_PATH_CHARS)
        version = _short(record.get("version"), _MAX_NAME_CHARS)
        is_new = memory.project_dir is None and project_dir is not None
        if is_new or version not in (None, memory.version):
            memory.project_dir = memory.project_dir or project_dir
            memory.version = version or memory.version
            yield SessionFacts(
                session_id=line.session_id,
                project_dir=memory.project_dir,
                agent_version=memory.version,
            )
        if summary := memory.summaries.pop(line.uuid, None):
            yield from self._retitle(TitleRank.SUMMARY, summary)

    def _assistant(self, line: _Line) -> Iterator[Item]:
        yield from self._facts(line)
        message, record = line.message, line.record
        blocks = [block for block in list_of(message.get("content")) if isinstance(block, dict)]
        said = join_texts(_texts(blocks))
        problem = text_of(record.get("error"))
        if problem or record.get("isApiErrorMessage"):
            # A text of Claude Code, not of the model: it must not become the answer.
            yield self._event(line, "diagnostic", f"{line.uuid}:error", content=_content(said))
            yield from self._end(line, "failed", said or problem)
            return
        if message.get("model") == SYNTHETIC:
            return
        self._memory.model = _short(message.get("model"), _MAX_NAME_CHARS) or self._memory.model
        self._memory.has_searches = has_searches(message)
        yield from self._blocks(line, blocks)
        yield from requests_of(
            record, line.session_id, timestamp=line.time, is_inherited=line.is_inherited
        )
        if _is_last(message, blocks) and record.get("isAbortedMidStream") is not True:
            yield from self._end(line, "completed")

    def _blocks(self, line: _Line, blocks: Sequence[Record]) -> Iterator[Item]:
        content = [part for text in _texts(blocks) for part in _content(text)]
        for index, block in enumerate(blocks):
            event_id = f"{line.uuid}:{index}"
            if block.get("type") != "text":
                yield from self._block(line, event_id, block)
            elif content:  # all texts of a message are one event
                yield self._event(line, "message", event_id, role="assistant", content=content)
                content = []

    def _block(self, line: _Line, event_id: str, block: Record) -> Iterator[Item]:
        kind = text_of(block.get("type")) or ""
        if kind == "thinking" and (thinking := text_of(block.get("thinking"))):
            yield self._event(line, "thinking", event_id, content=_content(thinking))
        elif kind in _CALLS:
            yield self._call(line, block)
        elif kind.endswith("_tool_result"):
            yield from self._result(line, block, None)

    def _call(self, line: _Line, block: Record) -> Item:
        tool_use_id = required_id(block.get("id"), "the id of a call")
        name = _short(block.get("name"), _MAX_NAME_CHARS) or "unknown"
        self._memory.note_call(tool_use_id, name)
        return self._event(
            line,
            "pre_tool",
            f"{tool_use_id}:pre",
            tool_name=name,
            tool_input=fields_of(block.get("input")),
            tool_use_id=tool_use_id,
        )

    def _result(self, line: _Line, block: Record, result: Json) -> Iterator[Item]:
        tool_use_id = required_id(block.get("tool_use_id"), "tool_use_id")
        memory, content = self._memory, block.get("content")
        tool_name = memory.open_calls.pop(tool_use_id, None)
        output = self._outputs.restored(content, result, line.session_id)
        found = self._event(
            line,
            "post_tool",
            f"{tool_use_id}:post",
            tool_name=tool_name,
            tool_output=output,
            tool_use_id=tool_use_id,
            error=(_joined(content) or "the tool failed") if block.get("is_error") else None,
        )
        # A restored output is not in the line, by which an importer judges the size of the event.
        yield found if output is content else replace(found, event=prepare(found.event))
        if tool_name == "WebSearch" and not memory.has_searches and not line.is_inherited:
            yield from search_of(
                result, tool_use_id, line.session_id, model=memory.model, timestamp=line.time
            )

    def _user(self, line: _Line) -> Iterator[Item]:
        yield from self._facts(line)
        content = line.message.get("content")
        results = [
            block
            for block in list_of(content)
            if isinstance(block, dict) and block.get("type") == "tool_result"
        ]
        for block in results:
            # `toolUseResult` has further facts about the only result of the line.
            result = line.record.get("toolUseResult") if len(results) == 1 else None
            yield from self._result(line, block, result)
        # The prompt of a subagent is already the input of the call that started it.
        if not self._is_aside(line.record) and (prompt := prompt_of(content, line.record)):
            yield from self._prompt(line, prompt)

    def _attachment(self, record: Record, place: Place) -> Iterator[Item]:
        """Yield a prompt that a person typed while the agent worked."""
        attachment = fields_of(record.get("attachment"))
        if attachment.get("type") != "queued_command" or self._is_aside(record):
            return
        if text_of(attachment.get("commandMode")) not in (None, "prompt"):
            return
        prompt = prompt_of(attachment.get("prompt"), record)
        if prompt is not None:
            time = time_of_text(record.get("timestamp")) or f"line-{place.number}"
            uuid = text_of(attachment.get("source_uuid")) or text_of(record.get("uuid"))
            line = self._line(record, place, uuid or f"queued:{time}")
            yield from self._facts(line)
            yield from self._prompt(line, prompt)

    def _system(self, record: Record) -> Iterator[Item]:
        """Yield the end of a command whose output is not part of the conversation."""
        session_id = self._memory.session_id
        is_output = (text_of(record.get("content")) or "").startswith(COMMAND_OUTPUT)
        if is_output and session_id is not None and not self._is_aside(record):
            yield TurnEnd(session_id=session_id, reason="completed")

    def _prompt(self, line: _Line, prompt: Prompt) -> Iterator[Item]:
        is_title = prompt.origin is None and not prompt.is_command and not self._memory.title
        if is_title and (title := title_line(prompt.text)):
            yield from self._retitle(TitleRank.PROMPT, title)
        event_id = line.uuid if prompt.origin is None else f"{line.uuid}:0"
        yield self._event(
            line, "message", event_id, role="user", origin=prompt.origin, content=prompt.blocks
        )
        if prompt.text.startswith(INTERRUPTED):
            yield from self._end(line, "stopped")
        elif prompt.text.startswith(COMMAND_OUTPUT):
            yield from self._end(line, "completed")

    def _titles(self, kind: str, record: Record) -> Iterator[Item]:
        rank, name = TITLES[kind]
        title = title_line(text_of(record.get(name)) or "")
        last_line = text_of(record.get("leafUuid"))
        if title is None:
            return
        if last_line is not None and last_line != self._memory.last_line:
            self._memory.note_summary(last_line[:MAX_ID_CHARS], title)
        else:
            yield from self._retitle(rank, title)

    def _retitle(self, rank: TitleRank, text: str) -> Iterator[Item]:
        session_id = self._memory.session_id
        if self._lane is None and session_id and (title := self._memory.retitle(rank, text)):
            yield SessionFacts(session_id=session_id, title=title)

    def _end(self, line: _Line, reason: Reason, error: str | None = None) -> Iterator[Item]:
        if not self._is_aside(line.record):
            yield TurnEnd(session_id=line.session_id, reason=reason, error=error)

    def _is_aside(self, record: Record) -> bool:
        return self._lane is not None or record.get("isSidechain") is True

    def _parent(self, record: Record) -> str | None:
        """Return the call that started the subagent of a line; None for the session itself."""
        if self._lane is not None:
            return self._lane.parent
        if record.get("isSidechain") is not True:
            return None
        calls = [i for i, name in self._memory.open_calls.items() if name in _SUBAGENT_TOOLS]
        return calls[-1] if calls else "sidechain"

    def _event(self, line: _Line, event_type: str, event_id: str, /, **values: Json) -> FoundEvent:
        if line.is_inherited:
            original = fields_of(line.record.get("forkedFrom")).get("messageUuid")
            self._memory.last_copied = event_id.replace(line.uuid, _short(original) or line.uuid)
        made = event(
            event_type,
            event_id,
            line.time,
            **values,
            parent_tool_use_id=self._parent(line.record),
        )
        return FoundEvent(session_id=line.session_id, event=made, is_inherited=line.is_inherited)


def _is_last(message: Record, blocks: Sequence[Record]) -> bool:
    """Return whether a message ends a turn.

    Older versions write a line before they know why the model stopped. A text then counts as the
    end. If a call follows, later lines tell how the turn ended.
    """
    reason = text_of(message.get("stop_reason"))
    return reason in _ENDS or (reason is None and bool(blocks) and blocks[-1].get("type") == "text")


def _short(value: Json, limit: int = MAX_ID_CHARS) -> str | None:
    """Return a text; None if it is longer than the limit."""
    return value if isinstance(value, str) and 0 < len(value) <= limit else None


def _content(text: str) -> list[dict[str, Json]]:
    return [{"type": "text", "text": text}]


def _texts(blocks: Sequence[Record]) -> list[str]:
    """Return the texts of the blocks of a message that are not empty."""
    return [
        text
        for block in blocks
        if block.get("type") == "text" and isinstance(text := block.get("text"), str) and text
    ]


def _joined(output: Json) -> str:
    if isinstance(output, list):
        texts = [fields_of(block).get("text") for block in output]
        return join_texts(text for text in texts if isinstance(text, str))
    return output if isinstance(output, str) else ""

"""The lines of a transcript as events, with the ids that a recorded run gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...format import Place
from ...items import (
    BrokenRecordError,
    ForkPoint,
    FoundEvent,
    Item,
    SessionFacts,
    Title,
    TitleRank,
    TurnEnd,
    UnknownRecord,
)
from ..fields import (
    event,
    fields_of,
    list_of,
    required_session_id,
    session_id_of,
    text_of,
    title_line,
)
from .kinds import EVENTLESS, TITLES
from .persisted import PersistedOutputs
from .prompts import INTERRUPTED, content_of, origin_of
from .usage import SYNTHETIC, requests_of, search_of

Json = Any
Line = Mapping[str, Json]

_ENDS = frozenset({"end_turn", "stop_sequence", "max_tokens", "refusal"})
_SUBAGENT_TOOLS = frozenset({"Task", "Agent"})
_MAX_OPEN_CALLS = 1000
_MAX_ID_CHARS = 180


class Lane(NamedTuple):
    """The lane of a subagent in its session."""

    agent_id: str
    tool_use_id: str | None
    """The call that started it, if the file beside its transcript names it."""

    @property
    def parent(self) -> str:
        return self.tool_use_id or f"agent-{self.agent_id}"


class Parser:
    """Reads the lines of one transcript. All of them belong to one session."""

    def __init__(
        self,
        session_id: str,
        outputs: PersistedOutputs,
        state: Mapping[str, Json] | None,
        *,
        lane: Lane | None = None,
        end_of_copy: int | None = None,
    ) -> None:
        self._session_id = required_session_id(session_id)
        self._outputs = outputs
        self._lane = lane
        remembered = state or {}
        self._end_of_copy: int = remembered.get("end_of_copy", end_of_copy if end_of_copy else -1)
        if end_of_copy is not None:
            self._end_of_copy = end_of_copy
        self._open_calls: dict[str, str] = dict(remembered.get("open_calls", {}))
        self._project_dir: str | None = remembered.get("project_dir")
        self._title = Title(
            TitleRank(remembered.get("title_rank", TitleRank.PROMPT)), remembered.get("title", "")
        )
        self._origin: str | None = remembered.get("origin")
        self._model: str | None = remembered.get("model")

    @property
    def state(self) -> dict[str, Json]:
        return {
            "end_of_copy": self._end_of_copy,
            "open_calls": self._open_calls,
            "project_dir": self._project_dir,
            "title_rank": int(self._title.rank),
            "title": self._title.text,
            "origin": self._origin,
            "model": self._model,
        }

    def read(self, record: Json, place: Place) -> Iterator[Item]:
        if not isinstance(record, dict):
            raise BrokenRecordError("not an object")
        kind = record.get("type")
        if not isinstance(kind, str):
            raise BrokenRecordError("type is missing")
        if kind == "assistant":
            yield from self._assistant(record, self._is_inherited(record, place))
        elif kind == "user":
            yield from self._user(record, self._is_inherited(record, place))
        elif kind == "attachment":
            yield from self._attachment(record, self._is_inherited(record, place))
        elif kind in TITLES:
            yield from self._titles(kind, record)
        elif kind not in EVENTLESS:
            yield UnknownRecord(kind=kind[:100])

    def _is_inherited(self, line: Line, place: Place) -> bool:
        """Return whether a line was copied from the session that was forked."""
        fork = line.get("forkedFrom")
        if isinstance(fork, dict):
            return session_id_of(fork.get("sessionId")) not in (None, self._session_id)
        return place.offset <= self._end_of_copy

    def _facts(self, line: Line) -> Iterator[Item]:
        """Yield the facts of the session when a line has the first of them, or other ones."""
        if self._lane is not None:
            return
        origin = self._origin_of(line)
        if origin is not None and origin != self._origin:
            self._origin = origin
            message_id = text_of(fields_of(line.get("forkedFrom")).get("messageUuid"))
            yield SessionFacts(
                session_id=self._session_id,
                forked_from=ForkPoint(origin, message_id and message_id[:_MAX_ID_CHARS]),
            )
        cwd = text_of(line.get("cwd"))
        if cwd is not None and self._project_dir is None:
            self._project_dir = cwd
            yield SessionFacts(
                session_id=self._session_id,
                project_dir=cwd,
                agent_version=text_of(line.get("version")),
            )

    def _origin_of(self, line: Line) -> str | None:
        fork = fields_of(line.get("forkedFrom")).get("sessionId")
        origin = session_id_of(fork) or session_id_of(line.get("requestSessionId"))
        return None if origin == self._session_id else origin

    def _assistant(self, line: Line, is_inherited: bool) -> Iterator[Item]:
        yield from self._facts(line)
        message = fields_of(line.get("message"))
        uuid = _uuid(line)
        blocks = [block for block in list_of(message.get("content")) if isinstance(block, dict)]
        texts = [text for block in blocks if (text := _text_of_block(block)) is not None]
        if line.get("isApiErrorMessage") or text_of(line.get("error")):
            said = "\n".join(texts)
            yield self._event(
                line, is_inherited, "diagnostic", f"{uuid}:error", content=_content(said)
            )
            yield from self._end("failed", said or text_of(line.get("error")))
            return
        self._model = text_of(message.get("model")) or self._model
        for index, block in enumerate(blocks):
            event_id = f"{uuid}:{index}"
            kind = block.get("type")
            if kind == "text" and texts:
                content = [part for text in texts for part in _content(text)]
                texts = []  # all texts of a message are one event
                yield self._event(
                    line, is_inherited, "message", event_id, role="assistant", content=content
                )
            elif kind == "thinking" and text_of(block.get("thinking")):
                thinking = _content(str(block["thinking"]))
                yield self._event(line, is_inherited, "thinking", event_id, content=thinking)
            elif kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
                yield from self._call(line, block, is_inherited)
            elif isinstance(kind, str) and kind.endswith("_tool_result"):
                yield from self._result(line, block, is_inherited)
        yield from requests_of(
            line, self._session_id, timestamp=_time(line), is_inherited=is_inherited
        )
        if message.get("stop_reason") in _ENDS and message.get("model") != SYNTHETIC:
            yield from self._end("completed", None)

    def _call(self, line: Line, block: Line, is_inherited: bool) -> Iterator[Item]:
        tool_use_id, name = _id(block.get("id")), text_of(block.get("name")) or "unknown"
        self._open_calls[tool_use_id] = name[:200]
        while len(self._open_calls) > _MAX_OPEN_CALLS:
            del self._open_calls[next(iter(self._open_calls))]
        yield self._event(
            line,
            is_inherited,
            "pre_tool",
            f"{tool_use_id}:pre",
            tool_name=name,
            tool_input=fields_of(block.get("input")),
            tool_use_id=tool_use_id,
        )

    def _result(self, line: Line, block: Line, is_inherited: bool) -> Iterator[Item]:
        tool_use_id = _id(block.get("tool_use_id"))
        result = line.get("toolUseResult")
        output = self._outputs.restored(block.get("content"), result)
        error = None
        if block.get("is_error"):
            error = _joined(output) or "the tool failed"
        yield self._event(
            line,
            is_inherited,
            "post_tool",
            f"{tool_use_id}:post",
            tool_name=self._open_calls.pop(tool_use_id, None),
            tool_output=output,
            tool_use_id=tool_use_id,
            error=error,
        )
        if not is_inherited:
            search = search_of(result, tool_use_id, self._session_id, self._model, _time(line))
            yield from [] if search is None else [search]

    def _user(self, line: Line, is_inherited: bool) -> Iterator[Item]:
        yield from self._facts(line)
        content = fields_of(line.get("message")).get("content")
        for block in list_of(content):
            if isinstance(block, dict) and block.get("type") == "tool_result":
                yield from self._result(line, block, is_inherited)
        text, blocks = content_of(content)
        # The prompt of a subagent is already the input of the call that started it.
        if blocks and not self._is_aside(line):
            origin = origin_of(line, text)
            uuid = _uuid(line)
            event_id = uuid if origin is None else f"{uuid}:0"
            yield from self._prompt(line, event_id, text, blocks, origin, is_inherited)
            if text.startswith(INTERRUPTED):
                yield from self._end("stopped", None)

    def _attachment(self, line: Line, is_inherited: bool) -> Iterator[Item]:
        attachment = fields_of(line.get("attachment"))
        if attachment.get("type") != "queued_command" or self._is_aside(line):
            return
        text, blocks = content_of(attachment.get("prompt"))
        uuid = text_of(attachment.get("source_uuid")) or text_of(line.get("uuid"))
        if blocks and uuid is not None:
            is_prompt = attachment.get("commandMode") in (None, "prompt")
            origin = origin_of(line, text) if is_prompt else "system"
            event_id = _id(uuid) if origin is None else f"{_id(uuid)}:0"
            yield from self._prompt(line, event_id, text, blocks, origin, is_inherited)

    def _prompt(  # the parts of a prompt
        self,
        line: Line,
        event_id: str,
        text: str,
        blocks: list[dict[str, Json]],
        origin: str | None,
        is_inherited: bool,
    ) -> Iterator[Item]:
        title = title_line(text) if origin is None else None
        if title is not None and not self._title.text:
            yield from self._retitle(Title(TitleRank.PROMPT, title))
        yield self._event(
            line, is_inherited, "message", event_id, role="user", origin=origin, content=blocks
        )

    def _titles(self, kind: str, line: Line) -> Iterator[Item]:
        rank, name = TITLES[kind]
        title = title_line(text_of(line.get(name)) or "")
        if title is not None:
            yield from self._retitle(Title(rank, title))

    def _retitle(self, title: Title) -> Iterator[Item]:
        if self._lane is None and (not self._title.text or title.rank >= self._title.rank):
            self._title = title
            yield SessionFacts(session_id=self._session_id, title=title)

    def _end(self, reason: Any, error: str | None) -> Iterator[Item]:
        if self._lane is None:
            yield TurnEnd(session_id=self._session_id, reason=reason, error=error)

    def _is_aside(self, line: Line) -> bool:
        return self._lane is not None or line.get("isSidechain") is True

    def _parent(self, line: Line) -> str | None:
        """Return the call that started the subagent of a line; None for the session itself."""
        if self._lane is not None:
            return self._lane.parent
        if line.get("isSidechain") is not True:
            return None
        calls = [each for each, name in self._open_calls.items() if name in _SUBAGENT_TOOLS]
        return calls[-1] if calls else "sidechain"

    def _event(
        self, line: Line, is_inherited: bool, event_type: str, event_id: str, /, **fields: Json
    ) -> FoundEvent:
        made = event(
            event_type,
            event_id,
            _time(line),
            **fields,
            parent_tool_use_id=self._parent(line),
        )
        return FoundEvent(session_id=self._session_id, event=made, is_inherited=is_inherited)


def _uuid(line: Line) -> str:
    return _id(line.get("uuid"))


def _id(value: Json) -> str:
    if isinstance(value, str) and 0 < len(value) <= _MAX_ID_CHARS:
        return value
    raise BrokenRecordError("an id is missing, or too long")


def _time(line: Line) -> str | None:
    given = line.get("timestamp")
    return given if isinstance(given, str) and len(given) <= 40 else None


def _content(text: str) -> list[dict[str, Json]]:
    return [{"type": "text", "text": text}]


def _text_of_block(block: Line) -> str | None:
    return text_of(block.get("text")) if block.get("type") == "text" else None


def _joined(output: Json) -> str:
    if isinstance(output, list):
        texts = [fields_of(block).get("text") for block in output]
        return "\n".join(text for text in texts if isinstance(text, str))
    return output if isinstance(output, str) else ""

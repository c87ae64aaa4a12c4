"""Reads the records of a rollout into items.

Texts come from `response_item` alone, as the events (`event_msg`) repeat them. An event id is made
of the turn's id and the record's place in the turn. Both stay when a newer Codex converts an older
rollout, which gives its lines other numbers, and when a fork copies them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    Fields,
    Json,
    as_record,
    optional_id,
    optional_record,
    optional_session_id,
    optional_text,
    prompt_line,
    session_id_of,
    text,
    time_of_moment,
    whole_number,
    zoned_time_of_text,
)
from . import kinds, messages, tools, usage
from .lineage import first_ordinal_of, parent_of
from .memory import Memory

_KIND_CHARS = 100


class _Line(NamedTuple):
    """The envelope of a record, and its place."""

    payload: Fields
    timestamp: str | None
    ordinal: int | None
    number: int


Reader = Callable[[_Line], Iterator[Item]]


class CodexParser:
    """Reads the lines of one rollout in order."""

    def __init__(
        self,
        memory: Memory,
        *,
        name_id: str | None,
        segment: str | None,
        name_of: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """Read lines; `name_of` returns the name of a thread in the index of all threads."""
        self._memory = memory
        self._name_of = name_of
        self._is_named = False
        self._name_id = name_id
        """The thread's id in the name of the file."""
        self._segment = segment
        """The id of a file that continues a thread after it was taken back to a turn."""

    @property
    def state(self) -> dict[str, Any]:
        """Facts of the earlier lines, as JSON."""
        return self._memory.to_json()

    def read(self, record: Json, place: Place) -> Iterator[Item]:
        """Yield the items of one line."""
        envelope = as_record(record, "the record")
        kind = text(envelope, "type")
        reader = self._reader(kind)
        if reader is None:
            if kind not in kinds.SILENT_TYPES:
                yield UnknownRecord(kind=kind[:_KIND_CHARS])
            return
        moment = zoned_time_of_text(envelope.get("timestamp"))
        line = _Line(
            payload=as_record(envelope.get("payload"), "payload"),
            timestamp=None if moment is None else time_of_moment(moment),
            ordinal=whole_number(envelope, "ordinal"),
            number=place.number,
        )
        if kind != "session_meta" and self._memory.thread is None:
            yield self._unnamed_session()
        yield from self._prompt_before(kind, line)
        yield from reader(line)
        yield from self._index_title()

    def _index_title(self) -> Iterator[Item]:
        """Yield the name in the index once. It is the newest one, also if the rollout has names."""
        thread = self._memory.thread
        if thread is None or self._is_named:
            return
        self._is_named = True
        if name := self._name_of(thread):
            self._memory.has_title = True
            yield SessionFacts(session_id=thread, title=Title(TitleRank.CHOSEN, name))

    def _reader(self, kind: str) -> Reader | None:
        return {
            "session_meta": self._session_meta,
            "turn_context": self._turn_context,
            "response_item": self._response_item,
            "event_msg": self._event,
            "compacted": self._compacted,
            "token_usage_record": self._usage_record,
        }.get(kind)

    def _unnamed_session(self) -> Item:
        """Return the facts of a session whose first line could not be read."""
        if self._name_id is None:
            raise BrokenRecordError("the record comes before the session_meta")
        self._memory.thread = self._name_id
        return SessionFacts(session_id=self._name_id)

    def _session_meta(self, line: _Line) -> Iterator[Item]:
        memory, meta = self._memory, line.payload
        thread = optional_session_id(meta, "id")
        if thread is None:
            raise BrokenRecordError("id is missing")
        if memory.thread not in (None, thread):
            yield from self._copied_meta(memory.thread, thread)
            return
        forked_from = optional_session_id(meta, "forked_from_id")
        base = optional_record(meta, "history_base")
        facts = SessionFacts(
            session_id=thread,
            project_dir=optional_text(meta, "cwd"),
            parent_session_id=parent_of(meta),
            forked_from=ForkPoint(forked_from) if forked_from else None,
            agent_version=optional_text(meta, "cli_version"),
        )
        provider = optional_text(meta, "model_provider")
        first_ordinal = first_ordinal_of(meta, base)
        memory.thread, memory.provider = thread, provider
        memory.has_copied_totals = bool(base or forked_from)
        memory.has_title |= self._segment is not None
        if self._segment is None and (forked_from or first_ordinal is not None):
            memory.lineage, memory.first_ordinal = "unsure", first_ordinal
        yield facts
        if self._segment is not None:
            event_id = f"{self._segment}:rollback"
            yield self._event_item(line, "rollback", event_id, first_ordinal=first_ordinal)

    def _copied_meta(self, own: str | None, copied: str) -> Iterator[Item]:
        """Note that another thread was copied. An older fork has no other mark."""
        memory = self._memory
        if own is not None and memory.turn is None and memory.lineage == "own":
            memory.lineage = "unsure"
            yield SessionFacts(session_id=own, forked_from=ForkPoint(copied))

    def _turn_context(self, line: _Line) -> Iterator[Item]:
        model, turn = optional_text(line.payload, "model"), optional_text(line.payload, "turn_id")
        self._memory.model = model or self._memory.model
        self._memory.begin_turn(turn)
        yield from ()

    def _usage_record(self, line: _Line) -> Iterator[Item]:
        request = usage.read_usage_record(line.payload, self._memory, line.timestamp, line.ordinal)
        if request is not None:
            yield request

    def _compacted(self, line: _Line) -> Iterator[Item]:
        words = optional_text(line.payload, "message")
        self._memory.is_compacted = True
        event_id = self._next_id(line)
        if words:
            content = [{"type": "text", "text": words}]
            yield self._event_item(
                line, "message", event_id, role="user", origin="compaction", content=content
            )

    def _response_item(self, line: _Line) -> Iterator[Item]:
        kind = text(line.payload, "type")
        if kind == "message":
            yield from self._message(line)
        elif kind == "agent_message":
            yield from self._agent_message(line)
        elif kind == "reasoning":
            yield from self._reasoning(line)
        elif kind in kinds.CALLS:
            yield from self._call(line, kind)
        elif kind in kinds.OUTPUTS:
            yield from self._output(line)
        else:
            self._next_id(line)
            if kind not in kinds.SILENT_ITEMS:
                yield UnknownRecord(kind=f"response_item/{kind}"[:_KIND_CHARS])

    def _message(self, line: _Line) -> Iterator[Item]:
        role = text(line.payload, "role")
        content = messages.content_blocks(line.payload)
        author = messages.author(line.payload) if role == "user" else None
        title = self._title(line) if author == messages.PERSON else None
        event_id = self._next_id(line)
        if role not in ("user", "assistant") or not content:
            return
        self._memory.is_prompted |= author == messages.PERSON
        if title is not None:
            yield title
        origin = author if author in (messages.SYSTEM, messages.COMMAND) else None
        found = self._event_item(
            line, "message", event_id, role=role, origin=origin, content=content
        )
        if author == messages.PERSON and messages.names_authors(line.payload):
            self._memory.prompt = {"event": found.event, "is_inherited": found.is_inherited}
        else:
            yield found

    def _prompt_before(self, kind: str, line: _Line) -> Iterator[Item]:
        """Yield the prompt that precedes a record, under the id that its sender gave it.

        A Codex that names the authors of texts writes a record with that id right after the prompt.
        """
        memory = self._memory
        waiting, memory.prompt = memory.prompt, None
        if waiting is None or memory.thread is None:
            return
        event, own_id = waiting["event"], None
        if kind == "event_msg" and line.payload.get("type") == "item_completed":
            item = optional_record(line.payload, "item")
            is_prompt = item.get("type") == "UserMessage"
            own_id = session_id_of(item.get("client_id")) if is_prompt else None
        yield FoundEvent(
            session_id=memory.thread,
            event={**event, "event_id": own_id or event["event_id"]},
            is_inherited=waiting["is_inherited"],
        )

    def _title(self, line: _Line) -> SessionFacts | None:
        """Return the title that the first prompt of this thread gives."""
        memory = self._memory
        words = prompt_line(messages.prompt(line.payload) or "")
        if memory.has_title or memory.thread is None or memory.is_copied(line.ordinal) or not words:
            return None
        memory.has_title = True
        return SessionFacts(session_id=memory.thread, title=Title(TitleRank.PROMPT, words))

    def _agent_message(self, line: _Line) -> Iterator[Item]:
        """Yield the message of another agent of the same tree."""
        content = messages.content_blocks(line.payload)
        event_id = self._next_id(line)
        self._memory.is_prompted = True
        if content:
            yield self._event_item(
                line, "message", event_id, role="user", origin="agent", content=content
            )

    def _reasoning(self, line: _Line) -> Iterator[Item]:
        words = messages.reasoning(line.payload)
        event_id = self._next_id(line)
        if words:
            content = [{"type": "text", "text": words}]
            yield self._event_item(line, "thinking", event_id, content=content)

    def _call(self, line: _Line, kind: str) -> Iterator[Item]:
        call = tools.read_call(line.payload)
        place_id = self._next_id(line)
        call_id = call.call_id or place_id
        yield self._event_item(
            line,
            "pre_tool",
            f"{call_id}:pre",
            tool_name=call.name,
            tool_input=call.arguments,
            tool_use_id=call_id,
        )
        if kind in kinds.CALLS_WITHOUT_OUTPUT:
            error = tools.FAILED if line.payload.get("status") == "failed" else None
            yield self._post_tool(line, call_id, call.name, None, error)
        else:
            self._memory.open_call(call_id, call.name)

    def _output(self, line: _Line) -> Iterator[Item]:
        output, error = tools.read_output(line.payload)
        call_id = optional_id(line.payload, "call_id")
        place_id = self._next_id(line)
        name, noted_error = self._memory.close_call(call_id or place_id)
        yield self._post_tool(line, call_id or place_id, name, output, noted_error or error)

    def _post_tool(
        self, line: _Line, call_id: str, name: str | None, output: Json, error: str | None
    ) -> Item:
        return self._event_item(
            line,
            "post_tool",
            f"{call_id}:post",
            tool_name=name,
            tool_output=output,
            tool_use_id=call_id,
            error=error,
        )

    def _event(self, line: _Line) -> Iterator[Item]:
        kind, payload, memory = text(line.payload, "type"), line.payload, self._memory
        match kind:
            case "token_count":
                request = usage.read_totals(payload, memory, line.timestamp, line.ordinal)
                if request is not None:
                    yield request
            case "thread_settings_applied":
                settings = optional_record(payload, "thread_settings")
                memory.service_tier = optional_text(settings, "service_tier")
            case "item_completed" | "patch_apply_end" | "mcp_tool_call_end":
                call_id, error = tools.read_failure(payload)
                if error is not None:
                    memory.note_failure(call_id, error)
            case _ if kind not in kinds.SILENT_EVENTS:
                yield from self._turn_event(line, kind)

    def _turn_event(self, line: _Line, kind: str) -> Iterator[Item]:
        memory, payload = self._memory, line.payload
        match kind:
            case "task_started" | "turn_started":
                memory.begin_turn(optional_text(payload, "turn_id"))
                memory.is_prompted = memory.is_compacted = False
            case "task_complete" | "turn_complete" | "turn_aborted":
                yield from self._turn_end(line, kind)
            case "thread_rolled_back":
                turns = whole_number(payload, "num_turns")
                yield self._event_item(line, "rollback", self._next_id(line), num_turns=turns)
            case "thread_name_updated":
                yield from self._chosen_title(line)
            case _:
                yield UnknownRecord(kind=f"event_msg/{kind}"[:_KIND_CHARS])

    def _chosen_title(self, line: _Line) -> Iterator[Item]:
        words = prompt_line(optional_text(line.payload, "thread_name") or "")
        thread = self._memory.thread
        if words and thread and not self._memory.is_copied(line.ordinal):
            title = Title(TitleRank.CHOSEN, self._name_of(thread) or words)
            yield SessionFacts(session_id=thread, title=title)

    def _turn_end(self, line: _Line, kind: str) -> Iterator[Item]:
        """Yield the end of a turn, unless the turn only compacted the history."""
        memory, payload = self._memory, line.payload
        error = payload.get("error")
        if memory.thread is None or memory.is_copied(line.ordinal):
            return
        if kind == "turn_aborted":
            yield TurnEnd(session_id=memory.thread, reason="stopped")
        elif error is not None:
            words = error.get("message") if isinstance(error, dict) else error
            reason = words if isinstance(words, str) else None
            yield TurnEnd(session_id=memory.thread, reason="failed", error=reason)
        elif memory.is_prompted or not memory.is_compacted:
            is_known = payload.get("last_agent_message", "") is not None
            yield TurnEnd(session_id=memory.thread, reason="completed" if is_known else "unknown")

    def _next_id(self, line: _Line) -> str:
        """Return the event id of a record, and count the record in its turn."""
        memory = self._memory
        place, memory.place = memory.place, memory.place + 1
        if memory.turn is not None:
            return f"{memory.turn}:{place}"
        number = line.number if line.ordinal is None else line.ordinal
        return f"{memory.thread}:{number}"

    def _event_item(self, line: _Line, event_type: str, event_id: str, **fields: Any) -> FoundEvent:
        if self._memory.thread is None:
            raise BrokenRecordError("the record comes before the session_meta")
        event = {
            "event_type": event_type,
            "event_id": event_id,
            "timestamp": line.timestamp,
            **fields,
        }
        return FoundEvent(
            session_id=self._memory.thread,
            event={key: value for key, value in event.items() if value is not None},
            is_inherited=self._memory.is_copied(line.ordinal),
        )

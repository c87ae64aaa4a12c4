"""Translates the updates of an agent into events. It knows no process and no pipe."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..events.cut_text import CutText
from ..events.event import Event
from ..events.prepare import create_event, text_content
from ..executors.program.output import PART_CHARS, Output
from .presets.preset import Preset
from .tool_calls import ToolCalls
from .usage import UsageCounter

Json = dict[str, Any]

_SILENT = frozenset(
    {
        "user_message_chunk",
        "available_commands_update",
        "current_mode_update",
        "config_option_update",
        "session_info_update",
        "usage_update",
    }
)
"""Updates without content of their own for the record."""


class Translation:
    """The translation of one run."""

    def __init__(
        self, preset: Preset, run_id: str, *, known: Mapping[str, str], is_resume: bool
    ) -> None:
        """Make the ids of events from `run_id`; `known` are secrets as in `Output`."""
        self._preset = preset
        self._run_id = run_id
        self._known = known
        self._own_words = re.compile(preset.own_words, re.DOTALL) if preset.own_words else None
        self.calls = ToolCalls(run_id, preset.tool_names)
        self.usage = UsageCounter(preset, is_resume=is_resume)
        self._open: tuple[str, Any, Output] | None = None
        """The message whose chunks arrive: its kind, its id, and its text."""
        self._suspect = ""
        """Text that is an error of the agent, or the beginning of an answer."""
        self._turns = 0
        self.session_id: str | None = None
        self.is_replaying = False
        """True while the agent repeats the earlier conversation."""
        self.has_answer = False
        """True if the model has said something in this turn, since the last refusal if any."""
        self.was_refused = False
        """True if a permission was refused in this turn."""
        self.error_words: str | None = None
        """The agent's own explanation of why this turn failed."""

    def of_update(self, params: Json) -> Iterator[Event]:
        """Yield the events of a `session/update`."""
        update = params.get("update")
        told_of = params.get("sessionId")
        is_other = self.session_id is not None and told_of not in (None, self.session_id)
        if not isinstance(update, dict) or is_other:
            yield from self._raw("session/update", params)
            return
        if self.is_replaying:
            self.usage.note_replay(update)
            return
        self.usage.note(update)
        match update:
            case {"sessionUpdate": "agent_message_chunk" | "agent_thought_chunk" as kind}:
                yield from self._chunk(kind, update)
            case {"sessionUpdate": "tool_call" | "tool_call_update"}:
                yield from self.flush()
                yield from self.calls.upsert(update)
            case {"sessionUpdate": str(kind)} if kind in _SILENT:
                pass
            case _:
                yield from self._raw("session/update", update)

    def of_notification(self, method: str, params: Json) -> Iterator[Event]:
        """Yield the events of any other notification."""
        if not self.is_replaying:
            yield from self._raw(method, params)

    def begin_turn(self) -> None:
        """Forget the turn before."""
        self._turns += 1
        self.has_answer = self.was_refused = self.calls.is_cancelled = False
        self.error_words = None

    def refuse(self) -> None:
        """Note that a permission was refused. What the model said before it is no answer."""
        self.was_refused, self.has_answer = True, False

    def end_turn(self, answer: Json) -> Iterator[Event]:
        """Yield the last events of a turn, from the answer to its prompt."""
        if self._suspect and "usage" not in answer:
            self.error_words, self._suspect = self._suspect, ""
            yield self._diagnostic(self.error_words)
        yield from self.last_events()
        usage = self.usage.of_turn(answer)
        if usage:
            yield create_event(
                "usage",
                f"{self._run_id}:{self._turns}:usage",
                usage=usage,
                model=self.usage.model,
            )

    def last_events(self) -> Iterator[Event]:
        """Yield the missing events after the last message."""
        yield from self._release()
        yield from self.flush()
        yield from self.calls.end_turn()

    def flush(self) -> Iterator[Event]:
        """Yield the message whose chunks have arrived."""
        if self._open is not None:
            yield from self._open[2].take(final=True)
            self._open = None

    def _chunk(self, kind: str, update: Json) -> Iterator[Event]:
        text = _text_of(update.get("content"))
        if not text:
            return
        message_id = update.get("messageId")
        if kind == "agent_message_chunk":
            if self._is_own(text, message_id):
                yield self._diagnostic(text)
                return
            yield from self._release()
            if self._open is None:
                yield from self.calls.end_denied()
            begin = self._preset.error_words
            if begin and self._open is None and text.startswith(begin):
                self._suspect = text
                return
        yield from self._add(kind, message_id, text)

    def _is_own(self, text: str, message_id: Any) -> bool:
        """Return whether a text is of the agent's program and not of the model."""
        if self._preset.has_message_ids and message_id is None:
            return True
        return self._own_words is not None and self._own_words.fullmatch(text) is not None

    def _release(self) -> Iterator[Event]:
        """Yield the text that could have been an error: more followed, or the turn went well."""
        text, self._suspect = self._suspect, ""
        if text:
            yield from self._add("agent_message_chunk", None, text)

    def _add(self, kind: str, message_id: Any, text: str) -> Iterator[Event]:
        if isinstance(text, CutText):  # an event of its own, with the full length
            yield from self.flush()
            is_answer = kind == "agent_message_chunk"
            self.has_answer = self.has_answer or is_answer
            event_type, role = ("message", "assistant") if is_answer else ("thinking", None)
            yield create_event(event_type, role=role, content=text_content(text))
            return
        if self._open is None or self._open[:2] != (kind, message_id):
            yield from self.flush()
            if kind == "agent_message_chunk":
                output = Output("message", known=self._known, role="assistant")
            else:
                output = Output("thinking", known=self._known)
            self._open = kind, message_id, output
        output = self._open[2]
        output.add(text.encode(errors="replace"))
        if kind == "agent_message_chunk" and text.strip():
            self.has_answer = True
        if output.waiting_chars >= PART_CHARS:
            yield from output.take()

    def _diagnostic(self, text: str) -> Event:
        return create_event("diagnostic", content=text_content(text))

    def _raw(self, method: str, params: Json) -> Iterator[Event]:
        yield from self.flush()
        yield create_event("agent_update", method=method, params=params)


def _text_of(content: Any) -> str:
    match content:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "resource_link", "uri": str(uri)}:
            return uri
        case {"type": "resource", "resource": {"text": str(text)}}:
            return text
        case {"type": str(kind)}:
            return f"[{kind}]"
    return ""

"""Events as text for a terminal.

Times are local. A line with the date and the UTC offset is printed before the first event and
after each change of either. Events of a subagent are indented and have the subagent's name, because
two subagents can work at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from ...sessions.question_words import decision_words, title_of
from ..tables.usage import dollars
from ..terminal.output import local_parts, one_line
from .blocks import content_text, output_text
from .look import Look
from .progress import gist
from .question_text import question_lines

Event = dict[str, Any]

_PLAIN = Look()
_INDENT = "    "
_NESTED = "  "
_MARK = "> "
MAX_HELD_EVENTS = 50_000
"""Maximum of held events; beyond it, later events of a call stay in their own place."""
_ORIGINS = {
    "compaction": "summary after compaction",
    "command": "output of a command",
    "agent": "from another agent",
    "notice": "notice of the orchestrator",
}
_BOUNDARIES = {
    "conversation": "the agent began a new conversation",
    "rollback": "the conversation was taken back to an earlier point",
}
_OF_A_CALL = ("post_tool", "permission_denied", "permission_request", "permission_decided")
_MARKS = {"inherited": "copied", "rolled_back": "taken back"}
"""Fields of imported events that are true, in words."""


def is_detail(event: Event) -> bool:
    """Return whether an event is a detail, not a step: the usage of one model request."""
    return event.get("event_type") == "usage" and event.get("request_id") is not None


class Subagents:
    """The subagents of a session: their calls and their names."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._times: dict[str, int] = {}
        self._parents: dict[str, str | None] = {}

    def note(self, event: Event) -> None:
        call = event.get("tool_use_id")
        parent = parent_of(event)
        if event.get("event_type") == "pre_tool" and isinstance(call, str):
            self._parents.setdefault(call, parent)
            given = event.get("tool_input")
            kind = given.get("subagent_type") if isinstance(given, dict) else None
            if isinstance(kind, str):
                self._name(call, kind)
        elif event.get("event_type") == "subagent_start" and parent is not None:
            self._name(parent, event.get("subagent_type"))

    def _name(self, call: str, kind: Any) -> None:
        if call in self._names:
            return
        name = one_line(kind) if isinstance(kind, str) else ""
        name = name or "subagent"
        times = self._times[name] = self._times.get(name, 0) + 1
        self._names[call] = name if times == 1 else f"{name} {times}"

    def of(self, event: Event) -> tuple[int, str]:
        """Return how deep an event is nested, and the name of its subagent."""
        parent = parent_of(event)
        if parent is None:
            return 0, ""
        self._name(parent, None)
        above = [parent]
        while (outer := self._parents.get(above[-1])) is not None and outer not in above:
            above.append(outer)
        return len(above), self._names[parent]


class EventText:
    """A formatter of events, in the order in which they are given."""

    def __init__(
        self, zone: tzinfo | None = None, *, marked: int | None = None, look: Look = _PLAIN
    ) -> None:
        """Set the time zone for display; None is the local one. Mark the event `marked`."""
        self._zone = zone
        self._look = look
        self._marked = marked
        self._day = ""
        self._subagents = Subagents()
        self._message: object = None
        """The id of the message that the last shown event is a part of."""
        self._is_in_line = False

    def piece(self, event: Event) -> str:
        """Return the text to print for the next event; a part of a message continues its line."""
        part_of, body = event.get("continues"), _body(event)
        if part_of is not None and part_of == self._message:
            lines = _indented(self._look.body(body, event), _INDENT)
            text = "\n".join(lines).removeprefix(_INDENT * self._is_in_line)
        else:
            text = self.end() + self.text(event)
        if not _may_go_on(event) or body.endswith("\n"):
            text += "\n"
        self._message = part_of or event.get("event_id")
        self._is_in_line = not text.endswith("\n")
        return text

    def end(self) -> str:
        """Return a newline if the last line is unfinished."""
        return "\n" * self._is_in_line

    def text(self, event: Event) -> str:
        """Return one event as text: a head line, then its content, indented."""
        self._subagents.note(event)
        day, moment = self._moment(event.get("occurred_at") or event.get("recorded_at"))
        depth, name = self._subagents.of(event)
        said = f"{name} · {_title(event)}" if name else _title(event)
        said += "".join(f" ({word})" for mark, word in _MARKS.items() if event.get(mark) is True)
        screen = self._look.screen
        if screen.is_terminal and event.get("event_type") == "usage":
            said += _cost(event)
        place, indent = one_line(f"[{event.get('seq')}] {moment}"), _NESTED * depth
        is_marked = self._marked is not None and event.get("seq") == self._marked
        if is_marked:
            line = f"{_MARK}{indent}{place} {one_line(said)}".rstrip()
            lines = [screen.styled(line, bold=True)]
        else:
            lines = [indent + self._look.head(place, one_line(said), event).rstrip()]
        lines += _indented(self._look.body(_body(event), event), indent + _INDENT)
        if day and day != self._day:
            self._day = day
            lines.insert(0, screen.styled(day, underline=True))
        return "\n".join(lines)

    def _moment(self, recorded_at: Any) -> tuple[str, str]:
        """Return the day with its offset, and the time of day."""
        try:
            date, offset, time = local_parts(recorded_at, self._zone)
        except (TypeError, ValueError, OverflowError, OSError):
            return "", one_line(str(recorded_at))
        return f"{date} {offset}", time


@dataclass
class _Call:
    """A call, with all events that belong to it."""

    events: list[Event | _Call] = field(default_factory=list)


def by_parent(events: Iterable[Event]) -> Iterator[Event]:
    """Yield events in order, but the events of a call directly after the call's first event.

    Events are held until their call has ended, at most until the end of the run.
    """
    held: list[Event] = []
    unfinished: set[str] = set()
    for event in events:
        held.append(event)
        kind, call, parent = event.get("event_type"), event.get("tool_use_id"), parent_of(event)
        if isinstance(call, str) and kind == "pre_tool":
            unfinished.add(call)
        elif isinstance(call, str) and kind == "post_tool":
            unfinished.discard(call)
        elif parent is not None and kind == "subagent_start":
            unfinished.add(f"subagent {parent}")
        elif parent is not None and kind == "subagent_stop":
            unfinished.discard(f"subagent {parent}")
        if kind == "session_stop" or len(held) > MAX_HELD_EVENTS:
            unfinished.clear()
        if not unfinished:
            yield from _grouped(held)
            held.clear()
    yield from _grouped(held)


def _grouped(events: list[Event]) -> Iterator[Event]:
    top = _Call()
    calls: dict[str, _Call] = {}
    for event in events:
        kind, call = event.get("event_type"), event.get("tool_use_id")
        around = calls.get(parent_of(event) or "", top)
        if isinstance(call, str) and kind == "pre_tool" and call not in calls:
            calls[call] = _Call([event])
            around.events.append(calls[call])
        elif isinstance(call, str) and kind in _OF_A_CALL:
            calls.get(call, around).events.append(event)
        else:
            around.events.append(event)
    waiting = [iter(top.events)]
    while waiting:  # an explicit stack, because the depth of nested calls is unlimited
        part = next(waiting[-1], None)
        if part is None:
            waiting.pop()
        elif isinstance(part, _Call):
            waiting.append(iter(part.events))
        else:
            yield part


def parent_of(event: Event) -> str | None:
    """Return the call whose subagent an event belongs to."""
    parent = event.get("parent_tool_use_id")
    return parent if isinstance(parent, str) else None


def _may_go_on(event: Event) -> bool:
    """Return whether the next part of a message may continue on the last line of this event."""
    return event.get("event_type") == "stderr" or event.get("role") == "assistant"


def _indented(lines: Iterable[str], indent: str) -> list[str]:
    return [indent + line for line in lines]


def _cost(event: Event) -> str:
    usage = event.get("usage")
    cost = usage.get("cost_microdollars") if isinstance(usage, dict) else None
    return f", {dollars(cost * 1000)}" if isinstance(cost, int) else ""


def _title(event: Event) -> str:
    kind, tool = event.get("event_type"), event.get("tool_name") or "a tool"
    match kind:
        case "message":
            origin = event.get("origin")
            if isinstance(origin, str):
                return _ORIGINS.get(origin, f"from the agent's program ({origin})")
            return str(event.get("role") or kind) + " …" * ("continues" in event)
        case "pre_tool":
            return f"{tool}: {gist(event.get('tool_input'))}"
        case "post_tool":
            return f"{tool} {'failed' if event.get('error') else 'done'}"
        case "session_stop":
            code = event.get("exit_code")
            end = "" if code is None else f" (exit code {code})"
            return f"{event.get('reason') or 'finished'}{end}"
        case "subagent_start" | "subagent_stop":
            return _of_subagent(event)
        case "permission_request" | "permission_decided":
            return _of_question(event)
        case "conversation" | "rollback":
            return _BOUNDARIES[kind]
        case "usage":
            usage = event.get("usage")
            counts = usage if isinstance(usage, dict) else {}
            into, out = counts.get("input_tokens", 0), counts.get("output_tokens", 0)
            return f"usage: {into} in, {out} out"
        case _:
            return f"{kind} {event.get('tool_name') or ''}".rstrip()


def _of_subagent(event: Event) -> str:
    if event.get("event_type") == "subagent_start":
        return f"began: {event.get('description') or ''}".rstrip(": ")
    return f"{event.get('status') or 'ended'}"


def _of_question(event: Event) -> str:
    if event.get("event_type") == "permission_request":
        return f"asks: {title_of(event)}"
    return f"{event.get('tool_name') or 'question'}: {decision_words(event)}"


def _body(event: Event) -> str:
    if event.get("event_type") == "permission_request":
        return "\n".join([*question_lines(event)][1:])
    if event.get("event_type") == "permission_decided":
        return content_text(event.get("text"))
    if event.get("error"):
        return content_text(event["error"])
    shortened = event.get("shortened")
    text = content_text(event.get("content"), shortened)
    return text or output_text(event.get("tool_output"), shortened)

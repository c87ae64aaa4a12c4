"""Events as parts of a document, by their types. A value of a wrong type is shown, or left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent_session_manager.domain.events.question import ASKED, DECIDED
from agent_session_manager.export.document import content
from agent_session_manager.export.document.grouping import Entry
from agent_session_manager.export.document.nodes import Anchor, Border, Code, Fold, Node, Section
from agent_session_manager.export.document.options import Event, ExportedTools, Options, string
from agent_session_manager.export.document.questions import decision, question
from agent_session_manager.export.document.text import (
    MAX_LINE_CHARS,
    json_text,
    moment_text,
    one_line,
)

_TITLES = {"user": "Prompt", "assistant": "Answer"}
_ORIGINS = {
    "command": "Output of a command",
    "system": "From the agent's program",
    "notice": "Notice of the orchestrator",
}
_GISTS = ("command", "file_path", "pattern", "url", "description", "prompt")
_OF_MANAGER = frozenset(
    {
        *("seq", "event_type", "session_id", "event_id", "run", "late", "recorded_at", "timestamp"),
        *("session_name", "parent_tool_use_id", "masked_secrets", "inherited"),
    }
)


def nodes(entry: Entry, options: Options) -> Iterator[Node]:
    """Yield the parts for an entry."""
    event = entry.event
    if event is None:
        inner = tuple(_below(entry, options))
        yield Fold("Subagent, continued", inner)
        return
    kind = event.get("event_type")
    if kind == "message":
        yield _message(event, entry, options)
    elif kind in ("pre_tool", "post_tool", "permission_denied"):
        yield _call(event, entry, options)
    elif kind in (ASKED, DECIDED):
        is_full = options.tools is ExportedTools.FULL
        given = tuple(_input(event.get("tool_input"))) if is_full else ()
        shown = question(event, given) if kind == ASKED else decision(event)
        yield Fold(*shown, event["seq"], _moment(event))
    elif kind == "usage":
        yield Anchor(event["seq"])
    else:
        yield _other(event, entry, options)


def end_of_run(event: Event) -> Node:
    """Return the border for the end of a run."""
    reason = one_line(string(event.get("reason")) or "finished", MAX_LINE_CHARS)
    code = event.get("exit_code")
    text = f"Run {event.get('run')}: {reason}"
    text += f" (exit code {code})" if isinstance(code, int) else ""
    body = content.literal(event.get("error"))
    return Border(text, event["seq"], _moment(event), body)


def _below(entry: Entry, options: Options) -> Iterator[Node]:
    for below in entry.below:
        yield from nodes(below, options)


def _message(event: Event, entry: Entry, options: Options) -> Node:
    parts = [event, *entry.parts]
    body = content.message(_whole([part.get("content") for part in parts]), options)
    anchors = [Anchor(part["seq"]) for part in entry.parts]
    seq, moment = event["seq"], _moment(event)
    origin, role = string(event.get("origin")), string(event.get("role")) or "message"
    if origin == "compaction":
        summary = Fold("Summary of the conversation until here", body)
        return Border("The conversation was compacted", seq, moment, [*anchors, summary])
    if origin is not None:
        title = _ORIGINS.get(origin) or f"From the agent's program ({one_line(origin)})"
        return Fold(title, [*anchors, *body], seq, moment)
    title = _TITLES.get(role) or f"Message ({one_line(role, MAX_LINE_CHARS)})"
    if string(event.get("continues")):
        title += ", continued"
    return Section(title, seq, moment, [*anchors, *body], entry.depth)


def _whole(contents: list[Any]) -> Any:
    """Return the content of a message from its parts, which have nothing between them."""
    if len(contents) == 1:
        return contents[0]
    texts: list[str] = []
    for blocks in contents:
        for block in blocks if isinstance(blocks, list) else [{"text": blocks or ""}]:
            text = block.get("text") if isinstance(block, Mapping) else None
            texts.append(text if isinstance(text, str) else json_text(block))
    return "".join(texts)


def _call(event: Event, entry: Entry, options: Options) -> Node:
    is_start = event.get("event_type") == "pre_tool"
    results = entry.results if is_start else [event]
    name = one_line(string(event.get("tool_name")) or "tool", MAX_LINE_CHARS)
    is_full = options.tools is ExportedTools.FULL
    gist = _gist(event.get("tool_input")) if is_full else ""
    has_failed = any(string(result.get("error")) for result in results)
    outcome = _outcome(results, has_failed=has_failed)
    body: list[Node] = [Anchor(r["seq"]) for r in results if r is not event]
    if is_full and is_start:
        body += _input(event.get("tool_input"))
    body += _below(entry, options)
    if is_full:
        for result in results:
            body += _result(result, options)
    summary = f"{name}{': ' if gist else ''}{gist} · {outcome}"
    return Fold(summary, body, event["seq"], _moment(event), has_failed)


def _outcome(results: list[Event], *, has_failed: bool) -> str:
    kinds = {result.get("event_type") for result in results}
    if "permission_denied" in kinds:
        return "denied"
    if has_failed:
        return "failed"
    return "done" if "post_tool" in kinds else "no result"


def _gist(tool_input: Any) -> str:
    """Return the most informative value of a tool's input."""
    given = tool_input if isinstance(tool_input, Mapping) else {}
    found = next((given[key] for key in _GISTS if string(given.get(key))), "")
    return one_line(found, MAX_LINE_CHARS)


def _input(tool_input: Any) -> Iterator[Node]:
    """Yield the values of an input; a text of several lines is a part of its own."""
    if not isinstance(tool_input, Mapping):
        if tool_input is not None:
            yield Code(json_text(tool_input), "Input")
        return
    short: list[str] = []
    long: list[Node] = []
    for key, value in tool_input.items():
        text = value if isinstance(value, str) else json_text(value)
        label = one_line(key, MAX_LINE_CHARS)
        if isinstance(value, str) and "\n" in value:
            long.append(Code(text, f"Input: {label}"))
        else:
            short.append(f"{label}: {text}")
    if short:
        yield Code("\n".join(short), "Input")
    yield from long


def _result(result: Event, options: Options) -> Iterator[Node]:
    error = string(result.get("error"))
    found = content.output(result.get("tool_output") if error is None else error, options)
    if error is not None:  # the output repeats it, unless it has images
        found += [
            part
            for part in content.output(result.get("tool_output"), options)
            if not isinstance(part, Code)
        ]
    label = "Output" if error is None else "Error"
    for part in found:
        yield Code(part.text, label) if isinstance(part, Code) else part


def _other(event: Event, entry: Entry, options: Options) -> Node:
    seq, moment = event["seq"], _moment(event)
    text = content.literal(_whole([part.get("content") for part in (event, *entry.parts)]))
    error = string(event.get("error"))
    anchors = [Anchor(part["seq"]) for part in entry.parts]
    match event.get("event_type"):
        case "thinking":
            body = content.message(event.get("content"), options)
            return Fold("Thinking", body, seq, moment)
        case "stderr":
            return Fold("Text on stderr", [*anchors, *text], seq, moment)
        case "diagnostic":
            return Fold("Note about the run", text, seq, moment)
        case "subagent_start":
            words = (string(event.get(key)) for key in ("subagent_type", "description"))
            told = " · ".join(one_line(word, MAX_LINE_CHARS) for word in words if word)
            return Fold(f"Subagent began: {told}".rstrip(": "), (), seq, moment)
        case "subagent_stop":
            status = one_line(string(event.get("status")) or "ended", MAX_LINE_CHARS)
            shown = text if options.tools is ExportedTools.FULL else []
            return Fold(f"Subagent: {status}", shown, seq, moment, status == "failed")
        case "conversation":
            return Border("The agent began a new conversation", seq, moment)
        case "retry":
            return Fold(_retry(event), content.literal(error), seq, moment)
        case "damaged":
            return Fold("Damaged event", content.literal(error), seq, moment, has_failed=True)
        case kind:
            rest = {key: value for key, value in event.items() if key not in _OF_MANAGER}
            body = [Code(json_text(rest))] if rest else []
            return Fold(one_line(str(kind), MAX_LINE_CHARS), body, seq, moment)


def _retry(event: Event) -> str:
    attempt, most = event.get("attempt"), event.get("max_retries")
    if not isinstance(attempt, int) or not isinstance(most, int):
        return "A request to the model was repeated"
    return f"A request to the model was repeated ({attempt} of {most})"


def _moment(event: Event) -> str:
    """Return the time of an event: of its client's clock, which an import has kept."""
    moment = moment_text(event.get("timestamp"), event.get("recorded_at"))
    return f"{moment}, late, of run {event.get('run')}" if event.get("late") is True else moment

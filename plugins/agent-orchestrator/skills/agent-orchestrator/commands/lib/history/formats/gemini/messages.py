"""Translates the messages of Gemini CLI."""

from __future__ import annotations

from collections.abc import Iterator

from ....events.cut_text import join_texts
from ....events.event import Event
from ....events.prepare import text_content
from ...items import BrokenRecord, FoundEvent, Item, ModelRequest, TurnEnd
from ..fields import (
    Fields,
    Json,
    count_of,
    event,
    fields_of,
    known_counts,
    list_of,
    request_key,
    text_of,
    time_of_text,
)

_INJECTED = ("<session_context>", "This is the Gemini CLI. We are setting up the context")
"""Beginnings of the text that the agent puts before the first prompt."""
_ENDED = ("success", "error", "cancelled")


def translate(session_id: str, message_id: str, message: Fields) -> Iterator[Item]:
    """Yield the items of a message. The caller has checked its id with `required_id`."""
    items: Iterator[Event | Item]
    match message.get("type"):
        case "user":
            items = _prompt(message_id, message)
        case "gemini":
            items = _answer(session_id, message_id, message)
        case "error":
            error = "\n".join(_texts(message.get("content"))) or "unknown error"
            items = iter([TurnEnd(session_id=session_id, reason="failed", error=error)])
        case _:
            items = iter(())
    for item in items:
        if isinstance(item, dict):
            yield FoundEvent(session_id=session_id, event=item)
        else:
            yield item


def _prompt(message_id: str, message: Fields) -> Iterator[Event]:
    shown = message.get("displayContent")
    content = shown if _parts(shown) else message.get("content")
    blocks: list[dict[str, Json]] = []
    for part in _parts(content):
        if text := text_of(part.get("text")):
            blocks += text_content(text)
        for name in ("inlineData", "fileData"):
            media_type = text_of(fields_of(part.get(name)).get("mimeType"))
            if name in part:
                blocks.append(
                    {"type": "file", **({"media_type": media_type} if media_type else {})}
                )
    if blocks:
        texts = [block["text"] for block in blocks if block["type"] == "text"]
        origin = "system" if texts and texts[0].startswith(_INJECTED) else None
        at = time_of_text(message.get("timestamp"))
        yield event("message", f"{message_id}:0", at, role="user", origin=origin, content=blocks)


def _answer(session_id: str, message_id: str, message: Fields) -> Iterator[Event | Item]:
    at = time_of_text(message.get("timestamp"))
    for number, thought in enumerate(_thoughts(message)):
        yield event("thinking", f"{message_id}:thought:{number}", at, content=text_content(thought))
    if text := "".join(_texts(message.get("content"))):
        content = text_content(text)
        yield event("message", f"{message_id}:0", at, role="assistant", content=content)
    for number, call in enumerate(list_of(message.get("toolCalls"))):
        name, call_id = text_of(fields_of(call).get("name")), text_of(fields_of(call).get("id"))
        if name is None or call_id is None:
            place = f"message {message_id} call {number}"
            yield BrokenRecord(place=place, reason="the name or the id of the call is missing")
        else:
            yield from _call(f"{message_id}:call:{number}", call, at)
    if request := _request(session_id, message_id, message):
        yield request


def _call(event_id: str, call: Fields, at: str | None) -> Iterator[Event]:
    """Yield the events of a call. The second one is missing until the call has ended."""
    names = {"tool_name": call["name"], "tool_use_id": call["id"]}
    tool_input = fields_of(call.get("args"))
    yield event("pre_tool", f"{event_id}:pre", at, **names, tool_input=tool_input)
    if call.get("status") not in _ENDED:
        return
    responses = _responses(call.get("result"))
    output = [response.get("output", response) for response in responses]
    yield event(
        "post_tool",
        f"{event_id}:post",
        time_of_text(call.get("timestamp")) or at,
        **names,
        tool_output=output[0] if len(output) == 1 else output or None,
        error=_error(call, responses),
    )


def _responses(result: Json) -> list[Fields]:
    """Return what the model received: objects with an `output` or an `error`."""
    found: list[Fields] = []
    for part in _parts(result):
        response = fields_of(part.get("functionResponse")).get("response")
        if isinstance(response, dict):
            found.append(response)
        elif text := text_of(part.get("text")):
            found.append({"output": text})
    return found


def _error(call: Fields, responses: list[Fields]) -> str | None:
    if call.get("status") == "success":
        return None
    errors = [text_of(response.get("error")) for response in responses]
    found = next(filter(None, [*errors, text_of(call.get("resultDisplay"))]), None)
    return found or ("cancelled" if call.get("status") == "cancelled" else "the tool failed")


def _request(session_id: str, message_id: str, message: Fields) -> ModelRequest | None:
    """Return the usage of an answer. Its input includes cached tokens, its output no thoughts."""
    tokens = fields_of(message.get("tokens"))
    read, cached = count_of(tokens.get("input")), count_of(tokens.get("cached"))
    output, thoughts = count_of(tokens.get("output")), count_of(tokens.get("thoughts"))
    counts = known_counts(
        input_tokens=None if read is None else max(0, read - (cached or 0)),
        output_tokens=None if output is None else output + (thoughts or 0),
        cache_read_tokens=cached,
        reasoning_tokens=thoughts,
    )
    if not any(counts.values()):
        return None
    return ModelRequest(
        session_id=session_id,
        key=request_key("gemini", session_id, message_id),
        counts=counts,
        occurred_at=time_of_text(message.get("timestamp")),
        model=text_of(message.get("model")),
    )


def _thoughts(message: Fields) -> Iterator[str]:
    thoughts = list_of(message.get("thoughts"))
    for thought in thoughts:
        words = (fields_of(thought).get("subject"), fields_of(thought).get("description"))
        if lines := [line for word in words if (line := text_of(word))]:
            yield join_texts(lines)
    if not thoughts:
        for part in _parts(message.get("content")):
            if part.get("thought") is True and (text := text_of(part.get("text"))):
                yield text


def _texts(content: Json) -> list[str]:
    parts = (part for part in _parts(content) if part.get("thought") is not True)
    return [text for part in parts if (text := text_of(part.get("text")))]


def _parts(content: Json) -> list[Fields]:
    """Return content as parts: it is a text, a part, or a list of both."""
    parts = content if isinstance(content, list) else [content]
    return [
        {"text": part} if isinstance(part, str) else part
        for part in parts
        if isinstance(part, str | dict)
    ]

"""Translates the messages and parts of opencode 1.x."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ....events.prepare import text_content
from ...items import BrokenRecord, BrokenRecordError, Item
from ..fields import (
    Fields,
    Json,
    event,
    fields_of,
    parse_json,
    required_id,
    text_of,
    time_of_milliseconds,
    unknown,
)
from .answers import (
    Call,
    Conversation,
    created_at,
    file_block,
    is_complete,
    model_request,
    spoken,
    turn_end,
)

_CONTENT = ("text", "reasoning", "tool")
_KNOWN_PARTS = (
    "step-start",
    "step-finish",
    "snapshot",
    "patch",
    "agent",
    "retry",
    "compaction",
    "subtask",
)
"""Kinds of parts without content of the conversation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A message without its parts."""

    message_id: str
    data: Fields

    @property
    def is_answer(self) -> bool:
        return self.data.get("role") == "assistant"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of a message. Its `data` is any JSON."""

    part_id: str
    data: Json
    problem: str = ""
    """Why there is no data."""


def read_part(part_id: str, content: str | bytes) -> Part:
    """Return a part, with the reason if it is not JSON."""
    try:
        return Part(part_id=part_id, data=parse_json(content))
    except BrokenRecordError as error:
        return Part(part_id=part_id, data=None, problem=str(error))


def settled(messages: list[Message]) -> list[Message]:
    """Return the messages that no longer change: those before the answer that is being written.

    An answer that is not complete and has another answer after it was abandoned.
    """
    last = next((i for i in reversed(range(len(messages))) if messages[i].is_answer), None)
    if last is None or is_complete(messages[last].data):
        return messages
    return messages[:last]


def translate(
    conversation: Conversation, message: Message, parts: Iterable[Part]
) -> Iterator[Item]:
    """Yield the items of a message. The caller has checked its id with `required_id`."""
    contents: list[Fields] = []
    for part in parts:
        try:
            contents.append(_content(part))
        except BrokenRecordError as error:
            yield BrokenRecord(place=f"part {part.part_id}", reason=str(error))
    match message.data.get("role"):
        case "user":
            yield from _prompt(conversation, message, contents)
        case "assistant":
            yield from _answer(conversation, message, contents)
        case role:
            yield unknown("message", role)


def _content(part: Part) -> Fields:
    if not isinstance(part.data, dict):
        raise BrokenRecordError(part.problem or "the part is not an object")
    if part.data.get("type") in ("text", "reasoning"):
        if not isinstance(part.data.get("text"), str):
            raise BrokenRecordError("the text is missing")
    elif part.data.get("type") == "tool":
        required_id(part.data.get("callID"), "the call id")
        if text_of(part.data.get("tool")) is None or not isinstance(part.data.get("state"), dict):
            raise BrokenRecordError("the name or the state of the call is missing")
    return part.data


def _prompt(conversation: Conversation, message: Message, contents: list[Fields]) -> Iterator[Item]:
    data, at = message.data, created_at(message.data)
    blocks: list[dict[str, Json]] = []
    injected: list[str] = []
    for content in contents:
        match content.get("type"):
            case "text" if content.get("synthetic") is True:
                injected.append(content["text"])
            case "text" if content["text"]:
                blocks += text_content(content["text"])
            case "file":
                blocks.append(file_block(content))
            case "text" | "reasoning" | "tool":
                pass
            case kind if kind not in _KNOWN_PARTS:
                yield unknown("part", kind)
    if blocks:
        prompt = event("message", f"{message.message_id}:0", at, role="user", content=blocks)
        yield conversation.found(prompt, data)
    for index, text in enumerate(filter(None, injected)):
        event_id, block = f"{message.message_id}:system:{index}", text_content(text)
        found = event("message", event_id, at, role="user", origin="system", content=block)
        yield conversation.found(found, data)


def _answer(conversation: Conversation, message: Message, contents: list[Fields]) -> Iterator[Item]:
    data, at = message.data, created_at(message.data)
    said = {"role": "assistant"}
    if data.get("summary") is True:
        said = {"role": "user", "origin": "compaction"}
    index = 0
    for content in contents:
        kind = content.get("type")
        if kind in _CONTENT and (kind == "tool" or content["text"]):
            event_id = f"{message.message_id}:{index}"
            index += 1
            if kind == "tool":
                found = _call(event_id, content).events()
            else:
                found = iter([spoken(event_id, at, content, said)])
            yield from (conversation.found(each, data) for each in found)
        elif kind not in (*_CONTENT, *_KNOWN_PARTS, "file"):
            yield unknown("part", kind)
    model = {"id": data.get("modelID"), "providerID": data.get("providerID")}
    is_cut = not is_complete(data)
    if request := model_request(conversation, message.message_id, data, model, is_cut=is_cut):
        yield request
    if end := turn_end(conversation.session_id, data):
        yield end


def _call(event_id: str, content: Fields) -> Call:
    state: Fields = content["state"]
    time = fields_of(state.get("time"))
    return Call(
        event_id=event_id,
        tool_use_id=content["callID"],
        name=content["tool"],
        state=state,
        started_at=time_of_milliseconds(time.get("start")),
        ended_at=time_of_milliseconds(time.get("end")),
    )

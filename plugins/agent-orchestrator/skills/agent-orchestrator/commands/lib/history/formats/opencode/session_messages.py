"""Translates the session messages of opencode 2.x."""

from __future__ import annotations

from collections.abc import Iterator

from ....events.prepare import text_content
from ...items import BrokenRecord, BrokenRecordError, Item, TurnEnd
from ..fields import (
    Fields,
    Json,
    event,
    fields_of,
    list_of,
    required_id,
    text_of,
    time_of_milliseconds,
    unknown,
)
from .answers import (
    Call,
    Conversation,
    created_at,
    error_text,
    file_block,
    is_complete,
    model_request,
    spoken,
    turn_end,
)

CONVERSATION = ("user", "assistant", "synthetic", "shell", "compaction")
"""Types that make a conversation. A session of 1.x can have session messages of other types."""
_WITHOUT_ITEMS = ("agent-switched", "model-switched", "location-switched")
_INJECTED = ("synthetic", "system", "skill")


def translate(
    conversation: Conversation, message_id: str, kind: Json, data: Fields
) -> Iterator[Item]:
    """Yield the items of a session message. The caller has checked its id with `required_id`."""
    if kind == "user":
        yield from _prompt(conversation, message_id, data)
    elif kind == "assistant":
        yield from _answer(conversation, message_id, data)
    elif kind == "shell":
        yield from _shell(conversation, message_id, data)
    elif kind == "compaction":
        yield from _compaction(conversation, message_id, data)
    elif kind == "idle":
        yield _idle(conversation, data)
    elif kind in _INJECTED:
        yield from _message(conversation, message_id, data, "system", data.get("text"))
    elif kind not in _WITHOUT_ITEMS:
        yield unknown("session_message", kind)


def _prompt(conversation: Conversation, message_id: str, data: Fields) -> Iterator[Item]:
    if not isinstance(data.get("text"), str):
        raise BrokenRecordError("the text is missing")
    blocks: list[dict[str, Json]] = [*text_content(data["text"])] if data["text"] else []
    blocks += [file_block(file) for file in list_of(data.get("files")) if isinstance(file, dict)]
    if blocks:
        at = created_at(data)
        found = event("message", f"{message_id}:0", at, role="user", content=blocks)
        yield conversation.found(found, data)


def _message(
    conversation: Conversation, message_id: str, data: Fields, origin: str, text: Json
) -> Iterator[Item]:
    if not isinstance(text, str):
        raise BrokenRecordError("the text is missing")
    if text:
        content = text_content(text)
        event_id, at = f"{message_id}:0", created_at(data)
        found = event("message", event_id, at, role="user", origin=origin, content=content)
        yield conversation.found(found, data)


def _answer(conversation: Conversation, message_id: str, data: Fields) -> Iterator[Item]:
    if not isinstance(data.get("content"), list):
        raise BrokenRecordError("the content is missing")
    at, index = created_at(data), 0
    for content in data["content"]:
        kind = fields_of(content).get("type")
        event_id = f"{message_id}:{index}"
        if kind == "tool":
            yield from _call_items(conversation, event_id, content, data)
        elif kind not in ("text", "reasoning"):
            yield unknown("content", kind)
            continue
        elif text_of(content.get("text")) is None:
            continue
        else:
            said = spoken(event_id, at, content, {"role": "assistant"})
            yield conversation.found(said, data)
        index += 1
    model, is_cut = fields_of(data.get("model")), not is_complete(data)
    if request := model_request(conversation, message_id, data, model, is_cut=is_cut):
        yield request
    if end := turn_end(conversation.session_id, data):
        yield end


def _call_items(
    conversation: Conversation, event_id: str, content: Fields, data: Fields
) -> Iterator[Item]:
    try:
        call = _call(event_id, content)
    except BrokenRecordError as error:
        yield BrokenRecord(place=f"call {event_id}", reason=str(error))
        return
    for found in call.events():
        yield conversation.found(found, data)


def _call(event_id: str, content: Fields) -> Call:
    name, state, time = content.get("name"), content.get("state"), fields_of(content.get("time"))
    if text_of(name) is None or not isinstance(state, dict):
        raise BrokenRecordError("the name or the state of the call is missing")
    return Call(
        event_id=event_id,
        tool_use_id=required_id(content.get("id"), "the call id"),
        name=str(name),
        state=state,
        started_at=time_of_milliseconds(time.get("ran") or time.get("created")),
        ended_at=time_of_milliseconds(time.get("completed")),
    )


def _shell(conversation: Conversation, message_id: str, data: Fields) -> Iterator[Item]:
    """Yield the events of a command that a person ran. One that runs is left for later."""
    time, code = fields_of(data.get("time")), data.get("exit")
    if time.get("completed") is None:
        return
    if not isinstance(data.get("command"), str):
        raise BrokenRecordError("the command is missing")
    call = Call(
        event_id=f"{message_id}:0",
        tool_use_id=message_id,
        name="shell",
        state={
            "status": "completed",
            "input": {"command": data["command"]},
            "output": data.get("output"),
            "metadata": {"exit": code},
        },
        started_at=created_at(data),
        ended_at=time_of_milliseconds(time["completed"]),
    )
    for found in call.events():
        yield conversation.found(found, data)


def _compaction(conversation: Conversation, message_id: str, data: Fields) -> Iterator[Item]:
    if data.get("status") == "completed":
        yield from _message(conversation, message_id, data, "compaction", data.get("summary"))
    model = fields_of(data.get("model"))
    if request := model_request(conversation, message_id, data, model, is_cut=False):
        yield request


def _idle(conversation: Conversation, data: Fields) -> Item:
    match data.get("outcome"):
        case "succeeded":
            return TurnEnd(session_id=conversation.session_id, reason="completed")
        case "failed":
            error = error_text(data.get("error"))
            return TurnEnd(session_id=conversation.session_id, reason="failed", error=error)
        case "interrupted":
            return TurnEnd(session_id=conversation.session_id, reason="stopped")
        case outcome:
            return unknown("outcome", outcome)

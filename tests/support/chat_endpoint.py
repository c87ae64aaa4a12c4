"""The OpenAI Chat Completions endpoint of the stand-in; most agents of npm can use it.

The steps of the prompt are those of `model_server`, without `thinking`.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

Json = dict[str, Any]

USAGE: Json = {
    "prompt_tokens": 3000,
    "prompt_tokens_details": {"cached_tokens": 2000},
    "completion_tokens": 42,
    "total_tokens": 3042,
}
SIDE_CALL: Json = {"text": "A title"}
"""Answer to a request without tools: the agent names the conversation, for example."""
DELTA_CHARACTERS = 40


def messages_of(body: Json) -> list[Json]:
    """Return the messages of a request in the form of the Messages API."""
    found: list[Json] = []
    for message in body["messages"]:
        content = message.get("content") or ""
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts = [part for part in parts if part.get("type") == "text"]
        role = message["role"] if message["role"] in ("user", "assistant") else None
        # Neither instructions nor the output of a tool are a prompt.
        found.append({"role": role or "user", "content": texts if role else ""})
    return found


def respond(body: Json, choose: Callable[[Json], Json]) -> Response:
    """Answer a request with the step that `choose` returns for its messages."""
    step = choose({"messages": messages_of(body)}) if body.get("tools") else SIDE_CALL
    if error := step.get("error"):
        told = {"message": error.get("message", "made to fail"), "type": "server_error"}
        return JSONResponse({"error": told}, error["status"])
    if body.get("stream"):
        return StreamingResponse(_stream(step, body["model"]), media_type="text/event-stream")
    message = {"role": "assistant", "content": step.get("text"), "tool_calls": _calls(step)}
    choice = {"index": 0, "message": message, "finish_reason": _reason(step)}
    return JSONResponse({**_head(body["model"], ""), "choices": [choice], "usage": USAGE})


def _head(model: str, suffix: str) -> Json:
    name = f"chatcmpl-{uuid.uuid4().hex}"
    return {"id": name, "object": f"chat.completion{suffix}", "created": 0, "model": model}


def _reason(step: Json) -> str:
    return "tool_calls" if step.get("tools") else "stop"


def _calls(step: Json) -> list[Json]:
    return [
        {
            "index": index,
            "id": f"call_{uuid.uuid4().hex}",
            "type": "function",
            "function": {"name": call["name"], "arguments": json.dumps(call["input"])},
        }
        for index, call in enumerate(step.get("tools", []))
    ]


async def _stream(step: Json, model: str) -> AsyncIterator[bytes]:
    head = _head(model, ".chunk")

    def frame(choices: list[Json], **fields: Any) -> bytes:
        return f"data: {json.dumps({**head, 'choices': choices, **fields})}\n\n".encode()

    def delta(reason: str | None = None, **fields: Any) -> bytes:
        return frame([{"index": 0, "delta": fields, "finish_reason": reason}])

    yield delta(role="assistant", content="")
    text = step.get("text", "")
    for at in range(0, len(text), DELTA_CHARACTERS):
        yield delta(content=text[at : at + DELTA_CHARACTERS])
        await asyncio.sleep(step.get("hang", 0) if at == 0 else step.get("delay", 0))
        if at == 0 and step.get("drop"):
            raise ConnectionResetError
    for call in _calls(step):
        yield delta(tool_calls=[call])
    yield delta(_reason(step))
    yield frame([], usage=USAGE)
    yield b"data: [DONE]\n\n"

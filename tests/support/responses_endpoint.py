"""The OpenAI Responses endpoint of the stand-in; the real Codex works with it.

The steps of the prompt are those of `model_server`. A tool of an MCP server has a `namespace`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

Json = dict[str, Any]

USAGE: Json = {
    "input_tokens": 3000,
    "input_tokens_details": {"cached_tokens": 2000},
    "output_tokens": 42,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 3042,
}
DELTA_CHARACTERS = 40
_CALLS = ("function_call", "custom_tool_call", "local_shell_call", "reasoning")


def messages_of(body: Json) -> list[Json]:
    """Return the input of a request in the form of the Messages API."""
    found: list[Json] = []
    for item in body["input"]:
        role = item.get("role")
        if item.get("type") in _CALLS:
            found.append({"role": "assistant", "content": ""})
        elif role in ("user", "assistant"):
            texts = [{"type": "text", "text": part.get("text", "")} for part in item["content"]]
            found.append({"role": role, "content": texts})
        else:  # the output of a tool, or instructions
            found.append({"role": "user", "content": ""})
    return found


def respond(body: Json, choose: Callable[[Json], Json]) -> Response:
    """Answer a request with the step that `choose` returns for its messages."""
    step = choose({"messages": messages_of(body)})
    if error := step.get("error"):
        told = {"message": error.get("message", "made to fail"), "type": "server_error"}
        return JSONResponse({"error": told}, error["status"])
    return StreamingResponse(_stream(step, body["model"]), media_type="text/event-stream")


def _items(step: Json) -> list[Json]:
    items: list[Json] = []
    if "thinking" in step:
        summary = [{"type": "summary_text", "text": step["thinking"]}]
        items.append({"type": "reasoning", "summary": summary, "encrypted_content": None})
    if "text" in step:
        content = [{"type": "output_text", "text": step["text"], "annotations": []}]
        message = {"type": "message", "role": "assistant", "status": "completed"}
        items.append({**message, "content": content})
    for call in step.get("tools", []):
        items.append(
            {
                "type": "function_call",
                "call_id": f"call_{uuid.uuid4().hex}",
                "name": call["name"],
                "arguments": json.dumps(call["input"]),
                "status": "completed",
                **({"namespace": call["namespace"]} if "namespace" in call else {}),
            }
        )
    return [{**item, "id": f"item_{uuid.uuid4().hex}"} for item in items]


async def _stream(step: Json, model: str) -> AsyncIterator[bytes]:
    numbers = itertools.count(1)

    def frame(kind: str, **fields: Any) -> bytes:
        data = {"type": kind, "sequence_number": next(numbers), **fields}
        return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()

    items = _items(step)
    response: Json = {"id": f"resp_{uuid.uuid4().hex}", "object": "response", "model": model}
    yield frame("response.created", response={**response, "status": "in_progress", "output": []})
    first = True
    for index, item in enumerate(items):
        place = {"output_index": index, "item_id": item["id"]}
        begun = {**item, "content": []} if item["type"] == "message" else item
        yield frame("response.output_item.added", output_index=index, item=begun)
        text = item["content"][0]["text"] if item["type"] == "message" else ""
        for at in range(0, len(text), DELTA_CHARACTERS):
            delta = text[at : at + DELTA_CHARACTERS]
            yield frame("response.output_text.delta", **place, content_index=0, delta=delta)
            await asyncio.sleep(step.get("hang", 0) if first else step.get("delay", 0))
            if first and step.get("drop"):
                raise ConnectionResetError
            first = False
        yield frame("response.output_item.done", output_index=index, item=item)
    done = {**response, "status": "completed", "output": items, "usage": USAGE}
    yield frame("response.completed", response=done)

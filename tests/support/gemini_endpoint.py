"""The Gemini endpoint of the stand-in; Gemini CLI works with it.

The steps of the prompt are those of `model_server`, without `thinking`, `delay` and `drop`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.support.chat_endpoint import SIDE_CALL

Json = dict[str, Any]

USAGE: Json = {
    "promptTokenCount": 3000,
    "cachedContentTokenCount": 2000,
    "candidatesTokenCount": 42,
    "totalTokenCount": 3042,
}


def messages_of(body: Json) -> list[Json]:
    """Return the contents of a request in the form of the Messages API."""
    found: list[Json] = []
    for content in body["contents"]:
        role = "assistant" if content.get("role") == "model" else "user"
        texts = [part["text"] for part in content["parts"] if "text" in part]
        blocks = [{"type": "text", "text": text} for text in texts]
        found.append({"role": role, "content": blocks})
    return found


def respond(body: Json, method: str, choose: Callable[[Json], Json]) -> Response:
    """Answer a request of this method with the step that `choose` returns for its contents."""
    if method == "countTokens":
        return JSONResponse({"totalTokens": USAGE["promptTokenCount"]})
    step = choose({"messages": messages_of(body)}) if body.get("tools") else SIDE_CALL
    if error := step.get("error"):
        told = {"code": error["status"], "message": error.get("message", "made to fail")}
        return JSONResponse({"error": {**told, "status": "INTERNAL"}}, error["status"])
    if method == "generateContent":
        return JSONResponse(_packet(_parts(step), is_last=True))
    return StreamingResponse(_stream(step), media_type="text/event-stream")


def _parts(step: Json) -> list[Json]:
    calls = [
        {"functionCall": {"name": call["name"], "args": call["input"]}}
        for call in step.get("tools", [])
    ]
    return [{"text": step["text"]}, *calls] if "text" in step else calls


def _packet(parts: list[Json], *, is_last: bool) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
    if not is_last:
        return {"candidates": [candidate]}
    return {"candidates": [{**candidate, "finishReason": "STOP"}], "usageMetadata": USAGE}


async def _stream(step: Json) -> AsyncIterator[bytes]:
    *before, last = _parts(step)
    for part in before:
        yield f"data: {json.dumps(_packet([part], is_last=False))}\r\n\r\n".encode()
    await asyncio.sleep(step.get("hang", 0))
    yield f"data: {json.dumps(_packet([last], is_last=True))}\r\n\r\n".encode()

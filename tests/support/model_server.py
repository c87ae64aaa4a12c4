"""A stand-in for the endpoints of models on loopback; the real agents work with it.

It has Anthropic's Messages here, OpenAI's Responses and Chat Completions in `responses_endpoint`
and `chat_endpoint`, and Gemini's in `gemini_endpoint`.

The prompt is the script: `script(...)` renders a list of steps into text. The response to a request
is the step whose number is the count of assistant turns after the newest script. So the server
keeps no state, and any number of agents can share it. Every request is recorded.

A step is an object with any of `text`, `thinking`, `tools` (`[{"name": …, "input": {…}}]`), `delay`
(seconds between deltas), `hang` (seconds after the first delta), `drop` (cut the connection after
the first delta), `error` (`{"status": 529, "type": …, "message": …}`) and `usage`.

    python -m tests.support.model_server PORT [RECORD]     port 0: a free port; prints its URL
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support import chat_endpoint, gemini_endpoint, responses_endpoint

Json = dict[str, Any]
Record = Callable[[Json], None]

MARKER = "SCRIPT:"
UNSCRIPTED: Json = {"text": "Hello from the stand-in."}
USAGE: Json = {
    "input_tokens": 11,
    "cache_creation_input_tokens": 1000,
    "cache_read_input_tokens": 2000,
    "output_tokens": 42,
}
DELTA_CHARACTERS = 40


def script(*steps: Json) -> str:
    """Return the text that makes the stand-in answer with these steps, one per model call."""
    return MARKER + json.dumps(steps)


def tool(name: str, /, **arguments: Any) -> Json:
    """Return a step in which the model calls one tool."""
    return {"tools": [{"name": name, "input": arguments}]}


def answer_to(body: Json) -> Json:
    """Choose the step that answers a request."""
    wanted = (body.get("output_config") or {}).get("format") or {}
    if wanted.get("type") == "json_schema":  # a side call of the agent, e.g. for a session title
        keys = (wanted.get("schema") or {}).get("properties", {})
        return {"text": json.dumps(dict.fromkeys(keys, "side"))}
    steps: list[Json] | None = None
    answered = 0
    # An agent sends the blocks of one answer as several assistant messages in a row.
    for role, messages in itertools.groupby(body["messages"], key=lambda message: message["role"]):
        scripts = [found for message in messages if (found := _script_in(message)) is not None]
        if role == "user" and scripts:
            steps, answered = scripts[-1], 0
        elif role == "assistant":
            answered += 1
    if steps is None:
        return UNSCRIPTED
    return steps[answered] if answered < len(steps) else {"text": f"(no step {answered})"}


def _script_in(message: Json) -> list[Json] | None:
    """Find the last script of a message: agents merge a failed prompt with the next one."""
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    found = None
    for text in [block["text"] for block in blocks if block["type"] == "text"]:
        start = text.find(MARKER)
        while start >= 0:
            start += len(MARKER)
            try:
                found, end = json.JSONDecoder().raw_decode(text, start)
            except ValueError:  # a script quoted inside another, for a subagent
                end = start
            start = text.find(MARKER, end)
    return found


def _blocks(step: Json) -> Iterator[tuple[Json, str, str, str]]:
    """Yield each content block as its opening, the kind and key of its deltas, and its text."""
    if "thinking" in step:
        opening: Json = {"type": "thinking", "thinking": "", "signature": "signed"}
        yield opening, "thinking_delta", "thinking", step["thinking"]
    if "text" in step:
        yield {"type": "text", "text": ""}, "text_delta", "text", step["text"]
    for call in step.get("tools", []):
        tool_use_id = f"toolu_{uuid.uuid4().hex}"
        opening = {"type": "tool_use", "id": tool_use_id, "name": call["name"], "input": {}}
        yield opening, "input_json_delta", "partial_json", json.dumps(call["input"])


async def _stream(step: Json, model: str) -> AsyncIterator[bytes]:
    usage = {**USAGE, **step.get("usage", {})}
    message: Json = {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**usage, "output_tokens": 1},
    }
    yield _frame("message_start", message=message)
    first = True
    for index, (opening, kind, key, text) in enumerate(_blocks(step)):
        yield _frame("content_block_start", index=index, content_block=opening)
        for at in range(0, max(1, len(text)), DELTA_CHARACTERS):
            delta = {"type": kind, key: text[at : at + DELTA_CHARACTERS]}
            yield _frame("content_block_delta", index=index, delta=delta)
            await asyncio.sleep(step.get("hang", 0) if first else step.get("delay", 0))
            if first and step.get("drop"):
                raise ConnectionResetError
            first = False
        yield _frame("content_block_stop", index=index)
    stop_reason = "tool_use" if step.get("tools") else "end_turn"
    ending = {"stop_reason": stop_reason, "stop_sequence": None}
    yield _frame("message_delta", delta=ending, usage={"output_tokens": usage["output_tokens"]})
    yield _frame("message_stop")


def _frame(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def create_app(record: Record) -> Starlette:
    """Build the endpoint; `record` gets each request as path, headers and body."""

    async def messages(request: Request) -> Response:
        body = await request.json()
        record({"path": request.url.path, "headers": dict(request.headers), "body": body})
        step = answer_to(body)
        if error := step.get("error"):
            kind = error.get("type", "overloaded_error")
            told = {"type": kind, "message": error.get("message", "made to fail")}
            return JSONResponse({"type": "error", "error": told}, error["status"])
        return StreamingResponse(_stream(step, body["model"]), media_type="text/event-stream")

    async def responses(request: Request) -> Response:
        body = await request.json()
        record({"path": request.url.path, "headers": dict(request.headers), "body": body})
        return responses_endpoint.respond(body, answer_to)

    async def chat(request: Request) -> Response:
        body = await request.json()
        record({"path": request.url.path, "headers": dict(request.headers), "body": body})
        return chat_endpoint.respond(body, answer_to)

    async def gemini(request: Request) -> Response:
        body = await request.json()
        record({"path": request.url.path, "headers": dict(request.headers), "body": body})
        method = request.url.path.rpartition(":")[2]
        return gemini_endpoint.respond(body, method, answer_to)

    async def count_tokens(request: Request) -> Response:
        return JSONResponse({"input_tokens": len(await request.body()) // 4})

    async def root(request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[
            Route("/v1/messages", messages, methods=["POST"]),
            Route("/v1/responses", responses, methods=["POST"]),
            Route("/v1/messages/count_tokens", count_tokens, methods=["POST"]),
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1beta/models/{call:path}", gemini, methods=["POST"]),
            Route("/", root, methods=["GET", "HEAD"]),
        ]
    )


class ModelServer:
    """A running stand-in and the requests it received."""

    def __init__(self, url: str, pid: int, record: Path) -> None:
        self.url = url
        self.pid = pid
        self._record = record

    def requests(self) -> list[Json]:
        """Return every request for an answer since the last `forget`, as body and headers."""
        lines = self._record.read_text().splitlines() if self._record.exists() else []
        return [json.loads(line) for line in lines]

    def forget(self) -> None:
        self._record.unlink(missing_ok=True)


@contextlib.contextmanager
def start_model_server(record: Path, *, prefix: Sequence[str] = ()) -> Iterator[ModelServer]:
    """Run a stand-in as a separate process, with `prefix` before its command, for one block."""
    command = [*prefix, sys.executable, "-m", "tests.support.model_server", "0", str(record)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # it is a pipe
        try:
            url = process.stdout.readline().strip()
            assert url, "the stand-in did not start"
            yield ModelServer(url, process.pid, record)
        finally:
            process.terminate()


def main() -> None:
    """Serve until killed; append each request as one line of JSON to RECORD."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    record_file = Path(sys.argv[2]) if len(sys.argv) > 2 else None

    def record(request: Json) -> None:
        if record_file is not None:
            with record_file.open("a") as lines:
                lines.write(json.dumps(request) + "\n")

    host, port = listener.getsockname()
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    server = uvicorn.Server(uvicorn.Config(create_app(record), log_level="critical"))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()

"""JSON-RPC messages on stdin and stdout, one per line, of limited length."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO

Json = dict[str, Any]

MAX_LINE_BYTES = 4 * 1024 * 1024
"""The same as the limit of a body, in which the message is sent on."""
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INTERNAL_ERROR = -32603


def error(request_id: Any, code: int, message: str) -> Json:
    """Return the answer to a request that failed."""
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}


def tool_error(request_id: Any, code: str, message: str) -> Json:
    """Return the answer to a call of a tool that failed, for its agent to read."""
    text = json.dumps({"error": {"code": code, "message": message}})
    return tool_answer(request_id, text, is_error=True)


def tool_answer(request_id: Any, text: str, *, is_error: bool = False) -> Json:
    content = [{"type": "text", "text": text}]
    result = {"content": content, "isError": is_error, "resultType": "complete"}
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


class Lines:
    """The messages of a client, and the answers to it, also from several threads."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source = source
        self._target = target
        self._lock = threading.Lock()

    def write(self, message: Json) -> None:
        """Write one message.

        Raises:
            BrokenPipeError: the client no longer reads.
        """
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._target.write(line)
            self._target.flush()

    def read(self) -> Iterator[Json]:
        """Yield the messages until the client closes its end; answer other lines with an error."""
        while line := self._source.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
                self._skip_line()
                self.write(
                    error(None, INVALID_REQUEST, f"a line has at most {MAX_LINE_BYTES} bytes")
                )
            elif line.strip():
                yield from self._parsed(line)

    def _skip_line(self) -> None:
        while (rest := self._source.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
            pass

    def _parsed(self, line: bytes) -> Iterator[Json]:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return self.write(error(None, PARSE_ERROR, "the line is not JSON"))
        if not isinstance(message, dict):
            return self.write(error(None, INVALID_REQUEST, "a message is one JSON object"))
        yield message

"""Plain calls of the MCP route, with the earliest revision that needs no handshake."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

from tests.support.api import Answer, Api
from tests.support.manager import RunningManager

ACCEPT = "application/json, text/event-stream"
_ids = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Called:
    """The answer to a call, as the agent reads it."""

    is_error: bool
    value: dict[str, Any]

    @property
    def code(self) -> str | None:
        """The code of the tool's error, or None."""
        return self.value["error"]["code"] if self.is_error else None


def tools_of(manager: RunningManager, token: str, **headers: str) -> Api:
    """Return a connection for calls with this token."""
    api = Api(manager)
    api.headers = {"Authorization": f"Bearer {token}", "Accept": ACCEPT, **headers}
    return api


def send(api: Api, method: str, params: dict[str, Any] | None = None) -> Answer:
    message = {"jsonrpc": "2.0", "id": next(_ids), "method": method, "params": params or {}}
    return api.post("/mcp", message)


def messages_in(answer: Answer) -> list[dict[str, Any]]:
    """Return the JSON-RPC messages of an answer, whether it is a stream or not."""
    if answer.headers["content-type"].startswith("application/json"):
        return [answer.json]
    lines = answer.body.decode().splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]


def call(api: Api, tool: str, /, **arguments: Any) -> Called:
    """Call a tool and return what the agent gets."""
    answer = send(api, "tools/call", {"name": tool, "arguments": arguments})
    assert answer.status == 200, answer.body
    result = messages_in(answer)[-1]["result"]
    (block,) = result["content"]
    return Called(is_error=result.get("isError", False), value=json.loads(block["text"]))

"""The manager's MCP server, to which messages are sent on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from ..client.manager import ManagerClient
from .messages import Json

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
"""Longest silence in an answer: the server sends a ping or progress more often."""
_VERSION_META = "io.modelcontextprotocol/protocolVersion"
_PASSING = (429, 503)
_BEFORE_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class UpstreamError(Exception):
    """The manager did not answer a message.

    `is_sent` is true if it may have acted on it, and `is_refused` if it will refuse it again.
    """

    def __init__(self, message: str, *, is_sent: bool, is_refused: bool = False) -> None:
        super().__init__(message)
        self.is_sent = is_sent
        self.is_refused = is_refused


class Upstream:
    """Sends messages to the manager, and yields what it answers."""

    def __init__(self, manager: ManagerClient) -> None:
        self._manager = manager
        self._url = f"{manager.base_url.rstrip('/')}/mcp"
        self._revision: str | None = None
        """The revision that an initialize request has agreed on."""
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        self._client = httpx.AsyncClient(timeout=timeout, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, message: Json) -> AsyncIterator[Json]:
        """Yield the messages of the answer; the last one is the response.

        Raises:
            UpstreamError: there is no answer, or not the whole.
        """
        try:
            async with self._client.stream(
                "POST", self._url, json=message, headers=self._headers(message)
            ) as response:
                async for answer in _messages_in(response):
                    self._note(message, answer)
                    yield answer
        except (httpx.HTTPError, ValueError) as exc:
            why = str(exc) or type(exc).__name__
            is_sent = not isinstance(exc, _BEFORE_SENT)
            raise UpstreamError(f"the manager did not answer: {why}", is_sent=is_sent) from exc

    def _headers(self, message: Json) -> dict[str, str]:
        token = self._manager.find_token()
        if token is None:
            raise UpstreamError("no session manager is running", is_sent=False)
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        meta = params.get("_meta")
        named = meta.get(_VERSION_META) if isinstance(meta, dict) else None
        revision = named or (None if message["method"] == "initialize" else self._revision)
        headers = {
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {token}",
            "MCP-Protocol-Version": revision,
            **({"Mcp-Method": message["method"], "Mcp-Name": params.get("name")} if named else {}),
        }
        return {name: value for name, value in headers.items() if _is_sendable(value)}

    def _note(self, message: Json, answer: Json) -> None:
        if message["method"] == "initialize" and isinstance(answer.get("result"), dict):
            revision = answer["result"].get("protocolVersion")
            self._revision = revision if isinstance(revision, str) else None


async def _messages_in(response: httpx.Response) -> AsyncIterator[Json]:
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))
        return
    answer = json.loads(await response.aread())
    if "jsonrpc" not in answer:  # refused before the MCP server got it
        raise UpstreamError(
            f"{answer.get('code', response.status_code)}: {answer.get('detail')}",
            is_sent=False,
            is_refused=response.status_code not in _PASSING,
        )
    yield answer


def _is_sendable(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()

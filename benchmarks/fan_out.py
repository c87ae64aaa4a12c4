"""Limit of the feed: an asyncio server that writes each posted event to all followers at once.

It speaks just enough HTTP for `benchmarks.following`, stores nothing and checks nothing. A follower
gets the same bytes as from the manager.
"""

from __future__ import annotations

import asyncio
import json
from typing import cast

_HEADERS_END = b"\r\n\r\n"
_LENGTH = b"Content-Length: "
_GENERATION = "0" * 32
_OPENING = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: session\ndata: {}\n\n"


class _Hub:
    def __init__(self) -> None:
        self.followers: list[asyncio.WriteTransport] = []
        self.seq = 0

    def publish(self, body: bytes) -> None:
        own = b'{"seq":%d,"run":1,"late":false,"recorded_at":"2026-01-01T12:00:00.000000Z",'
        data = own % self.seq + body[1:]
        frame = b"event: event\nid: %b:%d\ndata: %b\n\n" % (_GENERATION.encode(), self.seq, data)
        for follower in self.followers:
            follower.write(frame)


class _Connection(asyncio.Protocol):
    def __init__(self, hub: _Hub) -> None:
        self._hub = hub
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._received += data
        head, end, rest = self._received.partition(_HEADERS_END)
        if not end:
            return
        if head.startswith(b"GET"):
            self._received = b""
            self._transport.write(_OPENING)
            self._hub.followers.append(self._transport)
            return
        length = int(head.partition(_LENGTH)[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        self._received = rest[length:]
        self._hub.seq += 1
        answer = b'{"ok":true,"seqs":[%d]}' % self._hub.seq
        self._transport.write(
            b"HTTP/1.1 201 Created\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer)
        )
        self._hub.publish(rest[:length])

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport in self._hub.followers:
            self._hub.followers.remove(self._transport)


async def _serve() -> None:
    hub = _Hub()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(hub), "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())

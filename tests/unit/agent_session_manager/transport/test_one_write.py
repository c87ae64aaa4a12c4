"""The head of a response is written together with the start of its body, and never late."""

from __future__ import annotations

import asyncio
import inspect
import re
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from agent_session_manager.transport.connection import OneWrite, Protocol
from tests.support.loops import run

EXPECTING = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Recording(asyncio.Transport):
    """A transport that keeps each write, and refuses writes after `close` as uvloop's does."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self._is_closing = False

    def write(self, data: Any) -> None:
        assert not self._is_closing
        self.writes.append(bytes(data))

    def close(self) -> None:
        self._is_closing = True

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_protocol(self) -> asyncio.BaseProtocol:
        return asyncio.Protocol()


def serve(site: Any) -> tuple[Protocol, Recording]:
    """Return a connection to an application, and its transport."""
    config = uvicorn.Config(site, log_config=None)
    config.load()
    protocol = Protocol(config=config, server_state=ServerState(), app_state={})
    transport = Recording()
    protocol.connection_made(transport)
    return protocol, transport


async def turn() -> None:
    await asyncio.sleep(0)


def test_head_and_body_are_one_write() -> None:
    async def send() -> list[bytes]:
        transport = Recording()
        sending = OneWrite(transport, asyncio.get_running_loop())
        sending.write(b"head ")
        sending.write(b"body")
        await turn()
        sending.write(b"more")
        return transport.writes

    assert run(send()) == [b"head body", b"more"]


def test_head_without_a_body_is_sent_in_the_next_turn() -> None:
    async def send() -> tuple[list[bytes], list[bytes]]:
        transport = Recording()
        sending = OneWrite(transport, asyncio.get_running_loop())
        sending.write(b"head")
        await turn()
        alone = [*transport.writes]
        sending.write(b"first event")
        return alone, transport.writes

    assert run(send()) == ([b"head"], [b"head", b"first event"])


def test_head_is_sent_before_the_connection_is_closed() -> None:
    async def send() -> list[bytes]:
        transport = Recording()
        sending = OneWrite(transport, asyncio.get_running_loop())
        sending.write(b"head")
        sending.close()
        await turn()
        return transport.writes

    assert run(send()) == [b"head"]


def test_head_is_not_written_to_a_connection_that_was_closed() -> None:
    async def send() -> tuple[list[bytes], list[Any]]:
        loop = asyncio.get_running_loop()
        defects: list[Any] = []
        loop.set_exception_handler(lambda _, context: defects.append(context))
        transport = Recording()
        OneWrite(transport, loop).write(b"head")
        transport.close()
        await turn()
        return transport.writes, defects

    assert run(send()) == ([], [])


def test_one_write_has_all_that_uvicorn_uses() -> None:
    used = set(re.findall(r"self\.transport\.(\w+)", inspect.getsource(RequestResponseCycle)))
    assert used >= {"write", "close"}
    assert {name for name in used if not hasattr(OneWrite, name)} == set()


def test_client_that_expects_100_gets_it_before_the_body() -> None:
    async def site(_scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def ask() -> tuple[list[bytes], bytes]:
        protocol, transport = serve(site)
        protocol.data_received(EXPECTING)
        while not transport.writes:
            await turn()
        interim = [*transport.writes]
        protocol.data_received(b"ok")
        while protocol.server_state.tasks:
            await turn()
        protocol.connection_lost(None)
        return interim, b"".join(transport.writes)

    interim, sent = run(ask())
    assert interim == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    assert sent.startswith(interim[0] + b"HTTP/1.1 200 OK")
    assert b"ok" in sent


def test_every_response_of_a_connection_is_one_write() -> None:
    async def site(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def ask() -> list[bytes]:
        protocol, transport = serve(site)
        protocol.data_received(REQUEST * 2)
        while len(transport.writes) < 2 or protocol.server_state.tasks:
            await turn()
        protocol.connection_lost(None)
        return transport.writes

    writes = run(ask())
    assert [write.count(b"HTTP/1.1 200") for write in writes] == [1, 1]
    assert all(b"ok" in write for write in writes)

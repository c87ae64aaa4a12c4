"""Handshakes and raw frames at the WebSocket of the earlier system: which the manager accepts."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.api.earlier.conftest import PAGE
from tests.api.earlier.earlier_page import page_of
from tests.api.earlier.raw_handshake import UPGRADE, count_of_sockets, raw
from tests.support.manager import RunningManager
from tests.support.pages import HANDSHAKE
from tests.support.rows import each_row
from tests.support.waiting import wait_for


@each_row(
    "said",
    ["x" * (64 * 1024 + 1), b"x" * (64 * 1024 + 1), b"x" * 8 * 1024 * 1024, ["x" * 40_000] * 2],
    ids=["text", "bytes", "much", "pieces"],
)
def test_too_large_message_closes_the_connection(open_manager: RunningManager, said: Any) -> None:
    with page_of(open_manager) as page:
        page.next()
        with pytest.raises(ConnectionClosed) as closed:
            page.connection.send(said)
            while True:
                page.next()
        assert closed.value.rcvd is None or closed.value.rcvd.code == 1009


def read_to_the_end(opened: socket.socket) -> bytes:
    found = b""
    while chunk := opened.recv(65536):
        found += chunk
    return found


@each_row(
    ("bytes_sent", "code"),
    [
        (b"\x81\x02hi", 1002),  # not masked
        (b"\xf1\x80\x00\x00\x00\x00", 1002),  # a flag that no extension defines
        (b"\x83\x80\x00\x00\x00\x00", 1002),  # an unknown opcode
        (b"\x81\xff" + b"\xff" * 8 + b"\x00" * 4, 1009),  # length 2**64 bytes
        (b"\x81\xff" + b"\x7f" + b"\xff" * 7 + b"\x00" * 4, 1009),  # length 2**63 bytes
        (b"\x89\xfe\x00\xff" + b"\x00" * (4 + 255), 1002),  # a ping that is too long
    ],
)
def test_invalid_frame_closes_the_connection(
    open_manager: RunningManager, bytes_sent: bytes, code: int
) -> None:
    with raw(open_manager) as opened:
        found = opened.recv(65536)
        assert found.startswith(b"HTTP/1.1 101 ")
        opened.sendall(bytes_sent)
        found += read_to_the_end(opened)
    closing = found.rindex(b"\x88")
    assert found[closing + 2 : closing + 4] == code.to_bytes(2, "big")


def test_frames_are_never_compressed(open_manager: RunningManager) -> None:
    offered = HANDSHAKE + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    with raw(open_manager, offered) as opened:
        head = opened.recv(65536).partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 101 ")
    assert b"sec-websocket-extensions" not in head


@each_row(
    ("head", "status"),
    [
        (UPGRADE.replace("GET", "POST"), 405),
        (UPGRADE.replace("Version: 13", "Version: 12"), 400),
        (UPGRADE.replace("Key: dGhl", "Key: !"), 400),
        (HANDSHAKE.replace("Sec-WebSocket-Key: ", "X: ") + "\r\n", 400),
        (HANDSHAKE + f"X: {'x' * 9000}\r\n\r\n", 431),
        (HANDSHAKE + "X: x\r\n" * 200 + "\r\n", 431),
        (UPGRADE.replace("/ws", "/ws?" + "x" * 9000), 414),
        (HANDSHAKE + "X: \x0b\r\n\r\n", 400),
        (HANDSHAKE + "Host: evil.test\r\n\r\n", 403),
        (UPGRADE.replace("/ws", "/none"), 403),
        (UPGRADE.replace("/ws", "/sessions"), 403),
        (UPGRADE.replace("/ws", "//ws"), 403),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_invalid_handshake_gets_an_error_and_leaves_no_socket(
    open_manager: RunningManager, head: str, status: int
) -> None:
    with raw(open_manager, head) as opened:
        assert int(read_to_the_end(opened).split()[1]) == status
    wait_for(lambda: count_of_sockets(open_manager) == 0, "its connection is closed")


@each_row(
    ("origin", "authorization", "is_accepted"),
    [
        (None, "Bearer TOKEN", True),
        ("http://127.0.0.1:PORT", "Bearer TOKEN", True),
        (None, None, False),  # a browser: it cannot send the token
        ("http://127.0.0.1:PORT", None, False),
        (None, "Bearer wrong", False),
        ("http://evil.test", "Bearer TOKEN", False),
        (PAGE, "Bearer TOKEN", False),
    ],
)
def test_websocket_needs_the_token_if_auth_is_on(
    manager: RunningManager, origin: str | None, authorization: str | None, is_accepted: bool
) -> None:
    headers = {}
    if authorization is not None:
        headers["Authorization"] = authorization.replace("TOKEN", manager.token)
    options: Any = {"origin": origin and origin.replace("PORT", str(manager.port))}
    if is_accepted:
        with page_of(manager, additional_headers=headers, **options) as page:
            assert page.next()["type"] == "init"
        return
    with (
        pytest.raises(InvalidStatus) as refused,
        page_of(manager, additional_headers=headers, **options),
    ):
        pass
    assert refused.value.response.status_code == 403


@each_row(
    ("origin", "is_accepted"),
    [
        (PAGE, True),
        (None, True),
        ("http://localhost:5174", False),
        ("http://evil.test", False),
        (PAGE + ".evil.test", False),
        ("null", False),
    ],
)
def test_page_of_an_allowed_origin_may_read(
    open_manager: RunningManager, origin: Any, is_accepted: bool
) -> None:
    if is_accepted:
        headers = {"Sec-Fetch-Site": "cross-site"} if origin else {}
        with page_of(open_manager, origin=origin, additional_headers=headers) as page:
            assert page.next()["type"] == "init"
        return
    with pytest.raises(InvalidStatus) as refused, page_of(open_manager, origin=origin):
        pass
    assert refused.value.response.status_code == 403

"""Sends one hostile request on a new connection, and takes the responses apart."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

from tests.support.hostile_requests import Hostile
from tests.support.waiting import WATCHDOG_SECONDS

QUIET_SECONDS = 0.03
"""Wait for a response before the client closes its side of an incomplete request."""
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n(.*?)\r\n\r\n", re.DOTALL)


def answers_in(came: bytes, *, to_head: bool) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield status, headers and body of each complete response; `HEAD` has no body."""
    while (found := _HEAD.match(came)) is not None:
        status, headers = int(found[1]), found[2].lower() + b"\r\n"
        body = came[found.end() :]
        length = re.search(rb"content-length: (\d+)\r\n", headers)
        if to_head or status < 200 or status in (204, 304):
            end = 0
        elif length is not None:
            end = int(length[1])
        else:
            end = body.find(b"0\r\n\r\n") + 5
        if len(body) < end or (length is None and end == 4):
            return
        if status >= 200:
            yield status, headers, body[:end]
        came = body[end:]


def play(port: int, hostile: Hostile) -> tuple[bytes, str]:
    """Send a request; return all bytes received, and the problem with the exchange, if any."""
    came = b""
    to_head = hostile.sent.startswith(b"HEAD")
    wanted = len(hostile.statuses) or 1
    with socket.create_connection(("127.0.0.1", port), timeout=WATCHDOG_SECONDS) as opened:
        try:
            opened.sendall(hostile.sent)
            opened.settimeout(WATCHDOG_SECONDS if hostile.is_whole else QUIET_SECONDS)
            while len(list(answers_in(came, to_head=to_head))) < wanted:
                part = opened.recv(65536)
                if not part:
                    return came, ""
                came += part
        except TimeoutError:
            if hostile.is_whole:
                return came, "no answer"
        except OSError:
            return came, ""  # the server closed it before all was sent
        if hostile.is_whole:
            return came, ""
        try:
            opened.shutdown(socket.SHUT_WR)
            opened.settimeout(WATCHDOG_SECONDS)
            while part := opened.recv(65536):
                came += part
        except TimeoutError:
            return came, "the connection was not closed"
        except OSError:
            pass
    return came, ""

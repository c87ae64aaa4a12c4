"""Readers of a feed that do not use our client: one returns each frame, one never reads."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Queue
from threading import Thread
from typing import Any

import httpx

from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame; a comment has the name `ping`."""

    name: str
    data: Any = None
    cursor: str | None = None


class Stream:
    """A feed that a thread reads all the time, so that the server never cuts off a slow test."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._read: Queue[Frame | Exception | None] = Queue()
        self._frames = self._take()
        self._reading = Thread(target=self._read_all)
        self._reading.start()

    def close(self) -> None:
        """Stop reading; later frames are dropped."""
        with suppress(OSError):  # the server closed it first
            stream = self.response.extensions["network_stream"]
            stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._reading.join(WATCHDOG_SECONDS)

    def _read_all(self) -> None:
        try:
            for frame in _frames(_lines(self.response.iter_bytes())):
                self._read.put(frame)
        except Exception as exc:  # raised when the test reads the next frame
            self._read.put(exc)
        else:
            self._read.put(None)

    def _take(self) -> Iterator[Frame]:
        while (read := self._read.get()) is not None:
            if isinstance(read, Exception):
                raise read
            yield read

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def next(self) -> Frame:
        return next(self._frames)

    def until(self, name: str) -> list[Frame]:
        """Return all frames up to and including the first with this name."""
        found: list[Frame] = []
        while not found or found[-1].name != name:
            found.append(self.next())
        return found

    def rest(self) -> list[Frame]:
        return list(self._frames)


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Split at `\n` only, as the format does; `str.splitlines` knows more line ends."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.decode() for line in lines)


def _frames(lines: Iterator[str]) -> Iterator[Frame]:
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            yield Frame(name=line[1:].strip())
        elif line:
            name, _, value = line.partition(": ")
            assert name in ("event", "id", "data") and name not in fields, line
            fields[name] = value
        elif fields:
            data = json.loads(fields["data"])
            yield Frame(name=fields["event"], data=data, cursor=fields.get("id"))
            fields = {}


@contextmanager
def streaming(
    manager: RunningManager,
    target: str,
    headers: Mapping[str, str] | None = None,
    *,
    seconds: float = WATCHDOG_SECONDS,
) -> Iterator[Stream]:
    """Read the feed at this target until the block ends; fail if a frame takes over `seconds`."""
    accepting = {"Authorization": f"Bearer {manager.token}", "Accept": "text/event-stream"}
    with (
        httpx.Client(trust_env=False, timeout=seconds) as client,
        client.stream("GET", manager.url + target, headers={**accepting, **(headers or {})}) as got,
    ):
        if got.is_error:
            got.read()  # not a feed
        stream = Stream(got)
        try:
            yield stream
        finally:
            stream.close()


def seqs_in(frames: list[Frame]) -> list[int]:
    return [frame.data["seq"] for frame in frames if frame.name == "event"]


def open_and_take_nothing(manager: RunningManager, target: str) -> socket.socket:
    """Request a feed and never read it; the socket's receive buffer is as small as possible."""
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.connect(("127.0.0.1", manager.port))
    request = (
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{manager.port}\r\n"
        f"Authorization: Bearer {manager.token}\r\nAccept: text/event-stream\r\n\r\n"
    )
    stalled.sendall(request.encode())
    return stalled


def was_cut(stalled: socket.socket) -> bool:
    """Read and drop the data sent so far; return whether the server has closed the connection."""
    stalled.setblocking(False)
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)  # to read the rest at once
    try:
        while stalled.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:  # reset: the server did not wait until the rest was read
        pass
    return True

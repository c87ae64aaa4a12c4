"""Many connections on which only half of a request is sent."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.api import Api
from tests.support.campaign import Campaign
from tests.support.impatient import shorten_deadlines
from tests.support.manager import RunningManager
from tests.support.unlimited import remove_limits
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

pytestmark = pytest.mark.stress

MAX_P99_SECONDS = 0.1


class Halves:
    """Connections on which half a request was sent, and which of them the manager has closed."""

    def __init__(self, manager: RunningManager, count: int) -> None:
        head = f"POST /sessions HTTP/1.1\r\nHost: 127.0.0.1:{manager.port}\r\n".encode()
        authorization = f"Authorization: Bearer {manager.token}\r\n".encode()
        kind = b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n"
        # A fifth has begun a body: of 500 too few to be refused as too many requests under way.
        halves = (*[head] * 4, head + authorization + kind + b"{")
        self._poll = select.poll()
        self._open: dict[int, socket.socket] = {}
        for number in range(count):
            address = ("127.0.0.1", manager.port)
            opened = socket.create_connection(address, timeout=WATCHDOG_SECONDS)
            opened.sendall(halves[number % len(halves)])
            self._open[opened.fileno()] = opened
            self._poll.register(opened, select.POLLIN)

    def are_ended(self) -> bool:
        for descriptor, _ in self._poll.poll(0):
            self._poll.unregister(descriptor)
            with self._open.pop(descriptor) as ended:
                assert has_ended(ended)
        return not self._open

    def count_open(self) -> int:
        self.are_ended()
        return len(self._open)

    def close(self) -> None:
        for opened in self._open.values():
            opened.close()


@contextmanager
def half_sent(manager: RunningManager, count: int) -> Iterator[Halves]:
    halves = Halves(manager, count)
    try:
        yield halves
    finally:
        halves.close()


def has_ended(opened: socket.socket) -> bool:
    try:
        return opened.recv(1) == b""
    except ConnectionError:
        return True


def test_only_deadlines_end_half_sent_requests(campaign: Campaign) -> None:
    """Compare a manager with short deadlines, which closes them all, with one without deadlines."""
    ending = RunningManager(campaign.directory / "ending", prepare=shorten_deadlines)
    keeping = RunningManager(campaign.directory / "keeping", prepare=remove_limits)
    try:
        with half_sent(keeping, 20) as kept, half_sent(ending, 100) as ended:
            wait_for(ended.are_ended, "all connections are closed", every=0.02)
            assert kept.count_open() == 20
    finally:
        ending.stop()
        keeping.stop()


def test_half_sent_requests_do_not_slow_other_clients(campaign: Campaign) -> None:
    count = campaign.count(short=20, long=500)
    manager = RunningManager(campaign.directory / "manager")
    took: list[float] = []
    try:
        with Api(manager) as api, half_sent(manager, count) as halves:
            began = time.monotonic()

            def ask() -> bool:
                asked = time.monotonic()
                assert api.get("/health").status == 200
                took.append(time.monotonic() - asked)
                return halves.are_ended() if campaign.is_long else len(took) == 100

            wait_for(ask, "other requests are answered", every=0.02)
            campaign.tell(f"{count} half-sent requests over {time.monotonic() - began:.1f} s")
    finally:
        manager.stop()
    p99 = sorted(took)[len(took) * 99 // 100]
    campaign.limit("p99 of GET /health during the test, in seconds", p99, MAX_P99_SECONDS)

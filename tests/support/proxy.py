"""A TCP proxy in front of a manager; a test defines how each connection ends."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import pytest

from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS

Way = Literal["close", "half-close", "reset", "stall"]
WAYS: tuple[Way, ...] = ("close", "half-close", "reset", "stall")

_LOOK_EVERY_SECONDS = 0.05
_RESET = struct.pack("ii", 1, 0)
"""The SO_LINGER value that makes `close` send RST instead of FIN."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """The way a connection ends after `after_bytes` bytes from the manager."""

    after_bytes: int
    way: Way


class Proxy:
    """Forwards connections from `port` to `to_port`; see `misbehaving`.

    `fault` returns the fault of the connection with a given number, from 0; None for no fault.
    """

    def __init__(self, fault: Callable[[int], Fault | None]) -> None:
        self.to_port = 0
        self.connections = 0
        self.faults: Counter[Way] = Counter()
        self._fault = fault
        self._ending = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(WATCHDOG_SECONDS)
            assert not thread.is_alive()
        self._listening.close()

    def _accept(self) -> None:
        while not self._ending.is_set():
            if select.select([self._listening], [], [], _LOOK_EVERY_SECONDS)[0]:
                client, _ = self._listening.accept()
                fault = self._fault(self.connections)
                self.connections += 1
                self._threads.append(threading.Thread(target=self._serve, args=(client, fault)))
                self._threads[-1].start()

    def _serve(self, client: socket.socket, fault: Fault | None) -> None:
        with client, suppress(OSError):
            with socket.create_connection(("127.0.0.1", self.to_port), 5) as manager:
                way = self._pass_on(client, manager, fault)
            if way is None:
                return
            self.faults[way] += 1
            if way == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            elif way != "close":
                if way == "half-close":
                    client.shutdown(socket.SHUT_WR)
                self._wait_for_end(client)

    def _pass_on(
        self, client: socket.socket, manager: socket.socket, fault: Fault | None
    ) -> Way | None:
        """Forward until one side closes, or until the fault is due; return the fault, if any."""
        left = fault.after_bytes if fault else 0
        while not self._ending.is_set():
            for ready in select.select([client, manager], [], [], _LOOK_EVERY_SECONDS)[0]:
                chunk = ready.recv(65536)
                if not chunk:
                    return None
                if ready is client:
                    manager.sendall(chunk)
                    continue
                if fault and len(chunk) >= left:
                    client.sendall(chunk[:left])
                    return fault.way
                client.sendall(chunk)
                left -= len(chunk)
        return None

    def _wait_for_end(self, client: socket.socket) -> None:
        while not self._ending.is_set():
            if select.select([client], [], [], _LOOK_EVERY_SECONDS)[0] and not client.recv(65536):
                return


def lead_clients_through(
    proxy: Proxy, manager: RunningManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Make clients in this process connect to the proxy, with the token of the manager."""
    monkeypatch.setenv("AGENT_ORCHESTRATOR_SESSION_MANAGER_URL", proxy.url)
    monkeypatch.setenv("AGENT_ORCHESTRATOR_TOKEN", manager.token)
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))


@contextmanager
def misbehaving(fault: Callable[[int], Fault | None]) -> Iterator[Proxy]:
    """Run a proxy in separate threads until the block ends."""
    proxy = Proxy(fault)
    try:
        yield proxy
    finally:
        proxy.close()

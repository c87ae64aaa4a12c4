"""A manager behind a proxy that misbehaves, and clients on both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.support.proxy import Fault, lead_clients_through, misbehaving


class Line:
    """A manager behind a proxy. `client` uses the proxy, `records` connects directly."""

    def __init__(self, port: int, records: ManagerClient, client: ManagerClient) -> None:
        self.port = port
        self.records = records
        self.client = client


@pytest.fixture
def behind(start_manager: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Line]]:
    opened: list[Any] = []

    def open_line(fault: Callable[[int], Fault | None]) -> Line:
        proxy_context = misbehaving(fault)
        proxy = proxy_context.__enter__()
        opened.append(lambda: proxy_context.__exit__(None, None, None))
        manager = start_manager(arguments=["--allow-host", f"127.0.0.1:{proxy.port}"])
        proxy.to_port = manager.port
        lead_clients_through(proxy, manager, monkeypatch)
        line = Line(manager.port, ManagerClient(manager.url), ManagerClient(proxy.url))
        opened.extend([line.records.close, line.client.close])
        return line

    yield open_line
    for close in reversed(opened):
        close()

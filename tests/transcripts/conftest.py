from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.transcripts.appends import Appends
from agent_orchestrator.transcripts.store import TranscriptStore
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS

OpenStore = Callable[..., TranscriptStore]


@pytest.fixture
def api(manager: RunningManager) -> Iterator[Api]:
    """A connection to the module's manager."""
    with Api(manager) as opened:
        yield opened


@pytest.fixture
def manager_client(
    manager: RunningManager, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ManagerClient]:
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    with ManagerClient(manager.url, timeout=WATCHDOG_SECONDS) as opened:
        yield opened


@pytest.fixture
def project_key() -> str:
    """A project key for this test alone."""
    return f"-home-{uuid4().hex}"


@pytest.fixture
def open_store(manager_client: ManagerClient) -> Iterator[OpenStore]:
    """A function that opens stores on the module's manager; they are closed after the test."""
    opened: list[TranscriptStore] = []

    def open_one(*, namespace: str = "", appends: Appends | None = None) -> TranscriptStore:
        opened.append(TranscriptStore(manager_client, namespace=namespace, appends=appends))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: OpenStore) -> TranscriptStore:
    return open_store()

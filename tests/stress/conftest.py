from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent_session_manager.domain.session import DEFAULT_LEASE_SECONDS
from tests.stress.scene import Scene, opened
from tests.support.campaign import Campaign


@pytest.fixture
def own_state(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients in this process find the token of the scene's manager."""
    state = campaign.directory / "manager" / "state"
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(state))


@pytest.fixture
def scene(campaign: Campaign, own_state: None) -> Iterator[Scene]:
    """A manager of this test's own, with leases as short as they can be."""
    with opened(campaign.directory) as made:
        yield made


@pytest.fixture
def slow_scene(campaign: Campaign, own_state: None) -> Iterator[Scene]:
    """The same with leases as long as they are by default: no test waits for the end of one."""
    with opened(campaign.directory, lease_seconds=DEFAULT_LEASE_SECONDS) as made:
        yield made
